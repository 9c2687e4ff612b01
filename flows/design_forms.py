"""The form in which a flow is designed: the flow, its parameters and its steps, row by row.

Rows are added, removed and moved by buttons that post the whole form: it comes back with the rows as they are
wanted, nothing checked and nothing stored yet.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import QueryDict

from agents.models import Profile, Skill
from audit.entries import JSON
from flows.checking import Problem
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.flow_files.reading import WrongFile, read_yaml
from flows.flow_files.writing import write_yaml
from flows.models import CheckpointMode, Flow, OnFailure, RunMode
from flows.value_fields import as_entered
from workspace.models import Initiative, Membership, Plan, Role

__all__ = ["DesignForm"]

NONE = [("", "-")]
EMPTY_TEXT = '""'
MOST_ROWS = 200
#: A value that is an expression, as people write it; YAML would take its braces for its own.
BARE_EXPRESSION = re.compile(r"^([ \t]*(?:[\w-]+:[ \t]*|-[ \t]+))(\{\{.*\}\}.*)$", re.MULTILINE)

type Choices = Sequence[tuple[str, str]]


class FlowForm(forms.Form):
    name = forms.CharField(max_length=200)
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    initiative = forms.ChoiceField(required=False)
    plan = forms.ChoiceField(required=False)
    checkpoint_mode = forms.ChoiceField(label="Ask a person", choices=CheckpointMode.choices)
    run_mode = forms.ChoiceField(label="Runs are", choices=RunMode.choices)
    wants_review = forms.BooleanField(
        label="What a run in the background made is reviewed before it is done", required=False
    )
    approvers = forms.MultipleChoiceField(
        label="Only these decide its checkpoints",
        required=False,
        help_text="Nobody chosen: any member.",
        widget=forms.CheckboxSelectMultiple,
    )
    max_turns = forms.IntegerField(label="Turns at most", required=False)
    max_minutes = forms.IntegerField(label="Minutes at most", required=False)
    repo_path = forms.CharField(
        label="Repository",
        required=False,
        max_length=500,
        help_text="One of the workspace's on the worker's machine; each run gets a worktree of it.",
    )


class ParameterForm(forms.Form):
    name = forms.CharField(max_length=100)
    type = forms.ChoiceField(choices=[("string", "Text"), ("number", "Number"), ("boolean", "Yes or no")])
    default = forms.CharField(required=False, strip=False, help_text='"" is the empty text.')
    required = forms.BooleanField(required=False)
    hidden = forms.BooleanField(required=False, label="Not in forms")

    def design(self) -> ParameterDesign:
        given = self.cleaned_data
        default = self._default(given["type"], given["default"])
        return ParameterDesign(**{**given, "default": default})

    @staticmethod
    def _default(type_name: str, text: str) -> JSON:
        """The default as its type has it, or the text as it is, for the design's check to refuse."""
        if text == "":
            return None
        if type_name == "string":
            return "" if text == EMPTY_TEXT else text
        try:
            return read_yaml(text).value
        except WrongFile:
            return text


class StepForm(forms.Form):
    name = forms.CharField(max_length=100)
    skill_id = forms.ChoiceField(label="Skill")
    profile_id = forms.ChoiceField(label="Profile", required=False)
    parameters = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One name: value a line, such as target: {{ params.target }}",
    )
    condition = forms.CharField(
        required=False, label="Only if", help_text="Such as steps.test.status == “completed”."
    )
    has_checkpoint = forms.BooleanField(required=False, label="Ask a person before it")
    checkpoint_message = forms.CharField(
        required=False, label="What they are asked", help_text="Such as Deploy to {{ params.target }}?"
    )
    on_failure = forms.ChoiceField(label="When it fails", choices=OnFailure.choices)
    fallback_step = forms.CharField(required=False, label="Fall back to the step")
    max_retries = forms.IntegerField(required=False, label="Retries")
    backoff_seconds = forms.IntegerField(required=False, label="Seconds before a retry")
    artifacts = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        label="Files to keep",
        help_text="One pattern a line, such as dist/*.whl",
    )

    def clean_parameters(self) -> dict[str, JSON]:
        text = self.cleaned_data["parameters"]
        if not text.strip():
            return {}
        quoted = BARE_EXPRESSION.sub(
            lambda found: found[1] + json.dumps(found[2].rstrip()), text.replace("\r\n", "\n")
        )
        try:
            value = read_yaml(quoted).value
        except WrongFile as wrong:
            raise ValidationError([f"line {problem}" for problem in wrong.problems]) from None
        if not isinstance(value, dict):
            raise ValidationError("these are lines of name: value")
        return value

    def design(self) -> StepDesign:
        given = dict(self.cleaned_data)
        profile = given.pop("profile_id")
        backoff = given.pop("backoff_seconds")
        return StepDesign(
            **{
                **given,
                "skill_id": uuid.UUID(given["skill_id"]),
                "profile_id": uuid.UUID(profile) if profile else None,
                "max_retries": given["max_retries"] or 0,
                "backoff_seconds": 1 if backoff is None else backoff,
                "artifacts": tuple(line.strip() for line in given["artifacts"].splitlines() if line.strip()),
            }
        )


class DesignForm:
    """The forms of a flow, its parameters and its steps as one. `version` is that of what was shown."""

    def __init__(self, tenant_id: uuid.UUID, data: QueryDict | None = None, flow: Flow | None = None) -> None:
        self.tenant_id, self.data, self.flow = tenant_id, data, flow
        self.skills = _offered(Skill, tenant_id, flow)
        self.profiles = _offered(Profile, tenant_id, flow)
        self.errors: list[str] = []
        if data is not None:
            self.version = data.get("version", "")
            self.main = self._main(data)
            self.parameters = [self._parameter(place, data) for place in _places(data, "parameters")]
            self.steps = [self._step(place, data) for place in _places(data, "steps")]
        else:
            self.version = ""
            self.main = self._main(None)
            self.parameters, self.steps = [], [self._step(0, None)]

    @classmethod
    def of_design(cls, flow: Flow, design: FlowDesign) -> DesignForm:
        """The form that shows the design of a flow as it is."""
        form = cls(flow.tenant_id, flow=flow)
        form.version = str(flow.version)
        form.main = form._main(None, _initial_of_flow(design))
        rows = [_initial_of_parameter(parameter) for parameter in design.parameters]
        form.parameters = [form._parameter(place, None, row) for place, row in enumerate(rows)]
        rows = [_initial_of_step(step) for step in design.steps]
        form.steps = [form._step(place, None, row) for place, row in enumerate(rows)]
        return form

    # --- Rows -----------------------------------------------------------------------------------------

    def rearranged(self, button: str) -> DesignForm:
        """The form as it was posted, with one row added, removed or moved: `add-steps`, `up-steps-2`."""
        verb, _, rest = button.partition("-")
        kind, _, place = rest.partition("-")
        form = DesignForm(self.tenant_id, flow=self.flow)
        form.version = self.version
        form.main = form._main(None, _values(self.main))
        for name, make in (("parameters", form._parameter), ("steps", form._step)):
            rows = [_values(row) for row in getattr(self, name)]
            if name == kind:
                _rearrange(rows, verb, _read_number(place, -1))
            setattr(form, name, [make(number, None, row) for number, row in enumerate(rows)])
        return form

    def _main(self, data: QueryDict | None, initial: Mapping[str, Any] | None = None) -> FlowForm:
        form = FlowForm(data, initial=dict(initial or {}))
        fields: Any = form.fields
        fields["initiative"].choices = [*NONE, *_choices(Initiative, self.tenant_id, archived_at=None)]
        fields["plan"].choices = [*NONE, *_choices(Plan, self.tenant_id, archived_at=None)]
        members = Membership.objects.for_tenant(self.tenant_id).exclude(role=Role.VIEWER)
        fields["approvers"].choices = [
            (str(member.user_id), member.user.display_name)
            for member in members.select_related("user").order_by("user__email")
        ]
        return form

    def _parameter(
        self, place: int, data: QueryDict | None, initial: Mapping[str, Any] | None = None
    ) -> ParameterForm:
        return ParameterForm(data, prefix=f"parameters-{place}", initial=dict(initial or {}))

    def _step(self, place: int, data: QueryDict | None, initial: Mapping[str, Any] | None = None) -> StepForm:
        form = StepForm(data, prefix=f"steps-{place}", initial=dict(initial or {"backoff_seconds": 1}))
        fields: Any = form.fields
        fields["skill_id"].choices = [*NONE, *self.skills]
        fields["profile_id"].choices = [*NONE, *self.profiles]
        return form

    # --- What was entered -----------------------------------------------------------------------------

    def design(self) -> FlowDesign | None:
        """The design that was entered; None with what is wrong at its fields."""
        valid = [form.is_valid() for form in (self.main, *self.parameters, *self.steps)]
        if not self.steps:
            self.errors.append("a flow has at least one step")
        if not all(valid) or not self.steps:
            return None
        given = dict(self.main.cleaned_data)
        initiative, plan = given.pop("initiative"), given.pop("plan")
        return FlowDesign(
            **{name: value for name, value in given.items() if name != "approvers"},
            initiative_id=uuid.UUID(initiative) if initiative else None,
            plan_id=uuid.UUID(plan) if plan else None,
            approver_ids=frozenset(map(uuid.UUID, given["approvers"])),
            parameters=tuple(form.design() for form in self.parameters),
            steps=tuple(form.design() for form in self.steps),
        )

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Show what the service refused, each at its field."""
        for problem in problems:
            self._place(problem)

    def _place(self, problem: Problem) -> None:
        field, *rest = problem.path
        form: forms.Form = self.main
        if field in ("parameters", "steps") and rest and isinstance(rest[0], int):
            form = self.parameters[rest[0]] if field == "parameters" else self.steps[rest[0]]
            field, rest = (rest[1], rest[2:]) if len(rest) > 1 else ("name", [])
        if field not in form.fields:
            self.errors.append(str(problem))
            return
        # Of a list of lines the text quotes which one it is.
        where = "" if field == "artifacts" else ".".join(map(str, rest))
        form.add_error(str(field), f"{where}: {problem.text}" if where else problem.text)

    @property
    def has_errors(self) -> bool:
        forms_of_it = (self.main, *self.parameters, *self.steps)
        return bool(self.errors) or any(form.is_bound and form.errors for form in forms_of_it)


def _choices(model: Any, tenant_id: uuid.UUID, **narrow: Any) -> Choices:
    rows = model._default_manager.filter(tenant_id=tenant_id, **narrow).order_by("name")
    return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]


def _offered(model: type[Skill] | type[Profile], tenant_id: uuid.UUID, flow: Flow | None) -> Choices:
    """What a step may be given: all that is not archived, and what the flow has already."""
    rows = model._default_manager.filter(tenant_id=tenant_id)
    had = flow.steps.values_list(f"{model._meta.model_name}_id") if flow else []
    rows = rows.filter(Q(archived_at=None) | Q(pk__in=had)).order_by("name")
    return [
        (str(pk), f"{name} (archived)" if archived_at else name)
        for pk, name, archived_at in rows.values_list("pk", "name", "archived_at")
    ]


def _places(data: QueryDict, kind: str) -> Iterator[int]:
    yield from range(min(_read_number(data.get(f"{kind}-count", ""), 0), MOST_ROWS))


def _read_number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else default


def _values(form: forms.Form) -> dict[str, Any]:
    return {name: form[name].value() for name in form.fields}


def _rearrange(rows: list[dict[str, Any]], verb: str, place: int) -> None:
    if verb == "add" and len(rows) < MOST_ROWS:
        rows.append({"backoff_seconds": 1})
    elif not 0 <= place < len(rows):
        return
    elif verb == "remove":
        del rows[place]
    elif verb == "up" and place > 0:
        rows.insert(place - 1, rows.pop(place))
    elif verb == "down":
        rows.insert(place + 1, rows.pop(place))


def _initial_of_flow(design: FlowDesign) -> dict[str, Any]:
    fields = {name: getattr(design, name) for name in FlowForm.base_fields if hasattr(design, name)}
    return {
        **fields,
        "initiative": str(design.initiative_id or ""),
        "plan": str(design.plan_id or ""),
        "approvers": [str(user_id) for user_id in design.approver_ids],
    }


def _initial_of_parameter(parameter: ParameterDesign) -> dict[str, Any]:
    default = "" if parameter.default is None else as_entered(parameter.default) or EMPTY_TEXT
    return {**parameter.to_json(), "default": default}


def _initial_of_step(step: StepDesign) -> dict[str, Any]:
    fields = {name: getattr(step, name) for name in StepForm.base_fields}
    return {
        **fields,
        "skill_id": str(step.skill_id),
        "profile_id": str(step.profile_id or ""),
        "parameters": write_yaml(dict(step.parameters)) if step.parameters else "",
        "artifacts": "\n".join(step.artifacts),
    }
