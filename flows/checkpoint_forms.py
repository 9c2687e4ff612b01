"""The form in which a person changes a step's parameters before they approve it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from agents.results import read_json
from audit.entries import JSON

__all__ = ["PREFIX", "ArgumentsForm"]

#: Begins the name of a parameter's field, so that none can be taken for a field of the form itself.
PREFIX = "argument-"
MAX_CHARACTERS = 100_000


class TextArgument(forms.CharField):
    """A value that is text, as it stands; a browser's line ends become plain ones."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, strip=False, max_length=MAX_CHARACTERS, **options)

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class JSONArgument(TextArgument):
    """Any other value, written as JSON."""

    def clean(self, value: Any) -> JSON:
        if value is None:
            return None  # it was not sent, see `arguments`
        text = str(super().clean(value))
        try:
            return read_json(text)
        except json.JSONDecodeError as wrong:
            raise ValidationError(
                f"this is not JSON: {wrong.msg}, line {wrong.lineno} column {wrong.colno}"
            ) from wrong
        except ValueError as wrong:
            raise ValidationError(f"this is not JSON: {wrong}") from wrong


class ArgumentsForm(forms.Form):
    """One field for each parameter that the step has, and the comment that is kept with the decision.

    A field of a parameter that the step has not is refused by its name.
    """

    comment = forms.CharField(
        required=False,
        max_length=4000,
        help_text="Kept with the decision.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, arguments: Mapping[str, JSON], data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.known = list(arguments)
        comment = self.fields.pop("comment")
        for name, value in arguments.items():
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            kind = TextArgument if isinstance(value, str) else JSONArgument
            help_text = "" if isinstance(value, str) else "As JSON."
            area = forms.Textarea(attrs={"rows": min(12, 1 + text.count("\n")), "spellcheck": "false"})
            self.fields[PREFIX + name] = kind(label=name, initial=text, help_text=help_text, widget=area)
        self.fields["comment"] = comment

    def clean(self) -> dict[str, Any]:
        sent = {name.removeprefix(PREFIX) for name in self.data if name.startswith(PREFIX)}
        for name in sorted(sent - set(self.known)):
            self.add_error(None, f"this step has no parameter “{name}”")
        return self.cleaned_data

    def arguments(self) -> dict[str, JSON]:
        """What was entered, by parameter. A field that was not sent at all changes nothing."""
        return {name: self.cleaned_data[PREFIX + name] for name in self.known if PREFIX + name in self.data}
