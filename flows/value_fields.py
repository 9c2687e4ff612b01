"""Fields of forms for the values of a flow's parameters, by their types."""

from __future__ import annotations

from typing import Any

from django import forms

from audit.entries import JSON
from flows.design import ParameterDesign

__all__ = ["PREFIX", "Number", "as_entered", "make_field"]

#: Begins the name of a parameter's field, so that none can be taken for a field of the form itself.
PREFIX = "parameter-"
YES_NO = [("", "-"), ("true", "Yes"), ("false", "No")]


def make_field(parameter: ParameterDesign) -> forms.Field:
    """The field in which somebody gives the parameter a value; marked where nothing would be no value."""
    shown = "" if parameter.default is None else f"{as_entered(parameter.default)} unless given."
    options: dict[str, Any] = {
        "label": parameter.name,
        "required": parameter.required and parameter.default is None,
        "help_text": shown,
    }
    if parameter.type == "number":
        return Number(**options)
    if parameter.type == "boolean":
        return forms.TypedChoiceField(
            choices=YES_NO, coerce=lambda text: text == "true", empty_value=None, **options
        )
    return forms.CharField(strip=False, max_length=10_000, **options)


class Number(forms.FloatField):
    """A number; one without a fraction stays whole."""

    def to_python(self, value: Any) -> Any:
        number = super().to_python(value)
        return int(number) if number is not None and number.is_integer() else number


def as_entered(value: JSON) -> str:
    """A value as somebody would type it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
