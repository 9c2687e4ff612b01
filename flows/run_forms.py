"""The form that starts a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from audit.entries import JSON
from flows.design import ParameterDesign
from flows.models import Flow, RunMode
from flows.value_fields import PREFIX, make_field
from workspace.models import Initiative, Plan

__all__ = ["RunForm"]

#: What to do about a parameter that is hidden and has no default.
NO_FIELD = "no form asks for it: give it a default, or start the run over the API or with run_flow"


class RunForm(forms.Form):
    """The values of a run and what it serves. What does not fit the service says, by the parameter's name."""

    run_mode = forms.ChoiceField(label="How", choices=RunMode.choices)
    initiative = forms.ModelChoiceField(Initiative.objects.none(), required=False, empty_label="None")
    plan = forms.ModelChoiceField(Plan.objects.none(), required=False, empty_label="None")

    def __init__(self, flow: Flow, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        given = {"run_mode": flow.run_mode, "initiative": flow.initiative_id, "plan": flow.plan_id}
        options["initial"] = {**given, **options.get("initial", {})}
        super().__init__(data, **options)
        for name, model in (("initiative", Initiative), ("plan", Plan)):
            field: Any = self.fields[name]
            rows = model._default_manager.filter(tenant_id=flow.tenant_id, archived_at__isnull=True)
            field.queryset = rows.order_by("name")
        self.parameters = [ParameterDesign.from_json(stored) for stored in flow.parameters]
        shown = {PREFIX + p.name: make_field(p) for p in self.parameters if not p.hidden}
        self.fields = {**shown, **self.fields}

    def values(self) -> dict[str, JSON]:
        """The values that were given, by parameter."""
        given = {p.name: self.cleaned_data.get(PREFIX + p.name) for p in self.parameters if not p.hidden}
        return {name: value for name, value in given.items() if value not in (None, "")}

    def refuse(self, problems: Mapping[str, list[str]]) -> None:
        """Show what the service refused, each at its field where the form has one."""
        hidden = {p.name for p in self.parameters if p.hidden}
        for name, texts in problems.items():
            field = next((known for known in (PREFIX + name, name) if known in self.fields), None)
            for text in texts:
                self.add_error(field, f"{text}; {NO_FIELD}" if field is None and name in hidden else text)
