"""Forms of a workspace's secrets. A value goes in and is never sent back."""

from __future__ import annotations

from typing import Any

from django import forms

__all__ = ["NewSecretForm", "NewValueForm"]


class WriteOnlyTextarea(forms.Textarea):
    """Takes lines, as keys have them, and is always empty: what was typed is not sent back."""

    def format_value(self, value: Any) -> None:
        return None


def _value_field(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        strip=False,
        max_length=65_536,
        widget=WriteOnlyTextarea(
            attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false", "class": "concealed"}
        ),
    )


class NewSecretForm(forms.Form):
    name = forms.RegexField(
        r"\A[A-Za-z_][A-Za-z0-9_]*\Z",
        max_length=100,
        error_messages={"invalid": "letters, digits and _, as in the name of a variable"},
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "STRIPE_LIVE_KEY"}),
    )
    value = _value_field("Value")
    note = forms.CharField(
        max_length=300, required=False, label="Note", help_text="What it is for, or where it was issued."
    )


class NewValueForm(forms.Form):
    value = _value_field("New value")
