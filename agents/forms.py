"""The forms of skills and profiles. Shape alone is read here; the services say what does not fit."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from agents.models import Profile, Runtime, Skill
from agents.runtimes import has_runtime
from agents.sandbox import SANDBOXES
from workspace.models import Secret

__all__ = ["DefinitionForm", "ProfileForm", "SkillForm"]

MOST_CHARACTERS = 100_000
LARGEST = 2**31 - 1
CODE = {"rows": 16, "spellcheck": "false"}
BEST = "The best there is"

type Groups = Sequence[tuple[str, Sequence[str]]]


class DefinitionForm(forms.Form):
    """What skills and profiles have in common: a row to show, and groups of fields with a title each."""

    groups: ClassVar[Groups] = ()

    def __init__(
        self, tenant_id: uuid.UUID, data: QueryDict | None = None, *, row: Skill | Profile | None = None
    ) -> None:
        shown = {name: getattr(row, name) for name in self.base_fields} if row else {}
        super().__init__(data, initial=shown)
        self.offer(tenant_id, row)

    def offer(self, tenant_id: uuid.UUID, row: Any) -> None:
        """Fill in the choices that there are: the runtimes of this installation, and the row's own."""
        runtimes = [choice for choice in Runtime.choices if has_runtime(choice[0])]
        its_own = [(row.runtime, row.get_runtime_display())] if row else []
        fields: Any = self.fields
        fields["runtime"].choices = list(dict.fromkeys([*runtimes, *its_own]))

    @property
    def grouped(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(title, [self[name] for name in names]) for title, names in self.groups]

    def refuse(self, problems: Mapping[str, list[str]]) -> None:
        """Show what a service refused, each at its field where the form has one."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name if name in self.fields else None, text)


class SkillForm(DefinitionForm):
    groups = (("The skill", ("name", "runtime", "description")), ("What it does", ("body",)))

    name = forms.CharField(max_length=100)
    runtime = forms.ChoiceField()
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    body = forms.CharField(
        strip=False,
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs=CODE),
        help_text="For Shell a command, to which the step's parameters are $PARAM_NAME. For the others a "
        "prompt, into which they are put where it says {{ params.name }}.",
    )

    def clean_description(self) -> str:
        return with_plain_breaks(self.cleaned_data["description"])

    def clean_body(self) -> str:
        body = with_plain_breaks(self.cleaned_data["body"])
        if not body.strip():
            raise ValidationError("This field is required.")
        return body


class ProfileForm(DefinitionForm):
    groups = (
        ("The profile", ("name", "runtime", "model", "sandbox")),
        ("Secrets", ("env_secret_names",)),
        ("Limits", ("max_minutes", "max_turns", "max_memory_mb", "max_output_kb")),
    )

    name = forms.CharField(max_length=100)
    runtime = forms.ChoiceField()
    model = forms.CharField(
        required=False,
        max_length=100,
        help_text="Such as anthropic:claude-sonnet-4-5. Empty: the one that the server is set to.",
    )
    sandbox = forms.ChoiceField(required=False, help_text="What a command is run inside of.")
    env_secret_names = forms.MultipleChoiceField(
        label="In the environment of its work",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Each is there under its name; the value is shown nowhere.",
    )
    max_minutes = forms.IntegerField(label="Minutes", required=False, min_value=1, max_value=LARGEST)
    max_turns = forms.IntegerField(
        label="Turns", required=False, min_value=1, max_value=LARGEST, help_text="Answers of a model."
    )
    max_memory_mb = forms.IntegerField(
        label="Memory in MB",
        required=False,
        min_value=1,
        max_value=LARGEST,
        help_text="Of each process of a command.",
    )
    max_output_kb = forms.IntegerField(
        label="Output in KB",
        required=False,
        min_value=1,
        max_value=LARGEST,
        help_text="Of what a command prints.",
    )

    def offer(self, tenant_id: uuid.UUID, row: Profile | None) -> None:
        """What the profile has already stays a choice, so that nothing goes unseen."""
        super().offer(tenant_id, row)
        sandboxes = dict.fromkeys([*SANDBOXES, *([row.sandbox] if row and row.sandbox else [])])
        secrets = Secret.objects.for_tenant(tenant_id).order_by("name").values_list("name", flat=True)
        names = dict.fromkeys([*secrets, *(row.env_secret_names if row else [])])
        fields: Any = self.fields
        fields["sandbox"].choices = [("", BEST), *((word, word) for word in sandboxes)]
        fields["env_secret_names"].choices = [(name, name) for name in names]
        if not names:
            fields["env_secret_names"].help_text = "This workspace has no secrets yet."


def with_plain_breaks(text: str) -> str:
    """A text of a form as it was meant: browsers send each line with a carriage return."""
    return text.replace("\r\n", "\n")
