"""Forms of the operator's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect

from workspace.models import Membership, Tenant

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm

__all__ = ["RecordForm"]


class RecordForm(ModelForm):
    """A row of one workspace, which is chosen when the row is added and never changes."""

    workspace = forms.ModelChoiceField(
        Tenant.objects.all(),
        widget=AutocompleteSelect(Membership._meta.get_field("tenant"), admin.site),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            del self.fields["workspace"]

    def _post_clean(self) -> None:
        if tenant := self.cleaned_data.get("workspace"):
            self.instance.tenant = tenant
        super()._post_clean()  # type: ignore[misc]

    def _get_validation_exclusions(self) -> set[str]:
        # The tenant is no field of the model's form, but names are unique within it.
        exclude: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclude - {"tenant"} if self.instance.tenant_id else exclude
