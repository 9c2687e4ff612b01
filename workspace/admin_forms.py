"""Forms behind the operator's pages of workspaces, people and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.forms import AdminPasswordChangeForm

from audit.redaction import refusal
from workspace.models import Membership, Secret, Tenant, User
from workspace.operating.forms import ModelForm, RecordForm

if TYPE_CHECKING:
    BasePasswordForm = AdminPasswordChangeForm[User]
else:
    BasePasswordForm = AdminPasswordChangeForm

__all__ = ["AccountForm", "PasswordForm", "SecretForm", "TenantForm"]


class TenantForm(ModelForm):
    """A workspace; a new one names its first admin."""

    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        widget=AutocompleteSelect(Membership._meta.get_field("user"), admin.site),
        help_text="Becomes the workspace's first admin.",
    )

    class Meta:
        model = Tenant
        fields = ("slug", "name", "quiet_after_minutes", "end_chats_after_minutes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            del self.fields["owner"]


class AccountForm(ModelForm):
    """A person. Addresses are kept in lower case, whichever way they are typed."""

    class Meta:
        model = User
        fields = ("email", "name", "time_zone")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class SecretForm(RecordForm):
    """The value goes in and never comes out: no page shows what is stored."""

    value = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Sealed when it is saved and shown nowhere.",
    )

    class Meta:
        model = Secret
        fields = ("name", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            value = self.fields["value"]
            value.required = False
            value.help_text = "A new value replaces the old one, which is still recognised. Empty: no change."

    def clean_value(self) -> str:
        value = str(self.cleaned_data["value"])
        if value and (reason := refusal(value)):
            raise forms.ValidationError(reason)
        return value


class PasswordForm(BasePasswordForm):
    """Checks a new password and leaves the account to the service that sets it."""

    @property
    def password(self) -> str | None:
        """The password of the valid form; None where signing in by password is to be switched off."""
        return self.cleaned_data["password1"] if self.cleaned_data["set_usable_password"] else None
