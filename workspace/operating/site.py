"""The operator's site: one superuser over all workspaces. Members never come here."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest

from workspace.models import User

__all__ = ["OperatorSignInForm", "OperatorSite"]


class OperatorSignInForm(AuthenticationForm):
    """The same words whether the address, the password or the person's rank is wrong."""

    required_css_class = "required"
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "That address and password do not belong to an operator of this installation.",
    }

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if not user.is_superuser:
            raise self.get_invalid_login_error()


class OperatorSite(admin.AdminSite):
    site_header = "Sessions: operation"
    site_title = "Sessions operation"
    index_title = "All workspaces"
    login_form = OperatorSignInForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Rows leave through services, where their owners provide one; never in bulk, past the record.
        self.disable_action("delete_selected")

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and isinstance(request.user, User) and request.user.is_superuser
