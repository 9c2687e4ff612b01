"""The form of a trigger: when it starts its flow, and with which values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from audit.entries import JSON
from flows.design import ParameterDesign
from flows.models import Flow, FlowTrigger
from flows.value_fields import PREFIX, as_entered, make_field

__all__ = ["TriggerForm"]


class TriggerForm(forms.Form):
    """Shape alone is read here; the services say what does not fit, by the names of the fields."""

    cron = forms.CharField(
        label="Times",
        max_length=100,
        help_text="As in cron: minute, hour, day, month, day of the week. 0 9 * * 1-5: weekdays at 09:00.",
    )
    time_zone = forms.CharField(label="Time zone", max_length=64, help_text="Such as Europe/Berlin.")
    skips_overlap = forms.BooleanField(label="Skip a time while the last run is under way", required=False)

    def __init__(self, flow: Flow, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.parameters = [ParameterDesign.from_json(stored) for stored in flow.parameters]
        for parameter in self.parameters:
            if not parameter.hidden:
                self.fields[PREFIX + parameter.name] = make_field(parameter)

    def values(self) -> dict[str, JSON]:
        """The values that were given, by parameter; a hidden one has its default."""
        given = {
            parameter.name: self.cleaned_data.get(PREFIX + parameter.name) for parameter in self.parameters
        }
        return {name: value for name, value in given.items() if value not in (None, "")}

    def refuse(self, problems: Mapping[str, list[str]]) -> None:
        """Show what a service refused, each at its field where the form has one."""
        for name, texts in problems.items():
            field = next((known for known in (name, PREFIX + name) if known in self.fields), None)
            for text in texts:
                self.add_error(field, text)

    @staticmethod
    def initial_of(trigger: FlowTrigger) -> dict[str, Any]:
        values = {PREFIX + name: as_entered(value) for name, value in trigger.parameters.items()}
        return {
            "cron": trigger.cron,
            "time_zone": trigger.time_zone,
            "skips_overlap": trigger.skips_overlap,
            **values,
        }
