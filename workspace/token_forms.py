from __future__ import annotations

from typing import Any

from django import forms

from workspace.models import Membership
from workspace.tokens import DEFAULT_DAYS, MAX_DAYS, Scope

__all__ = ["NewTokenForm"]


class NewTokenForm(forms.Form):
    """Offers what this member may give a token."""

    name = forms.CharField(max_length=100, help_text="Where it will be used.")
    scopes = forms.MultipleChoiceField(label="It may", widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(
        label="Good for, in days", min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS
    )

    def __init__(self, *args: Any, member: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = Scope if member.can_run else [Scope.READ]
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 (as declared above)
        field.choices = [(scope.value, scope.label) for scope in scopes]
