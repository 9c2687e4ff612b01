"""The page on which flows are made and changed, with rows that are added, removed and moved by buttons."""

from __future__ import annotations

import re
import time
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from flows import services
from flows.flow_files.loading import load_flow
from flows.models import Flow
from tests.factories.agents import ProfileFactory
from tests.flows.worlds import World


class FormReader(HTMLParser):
    """The fields of the one form of a page, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Any] = {}
        self.is_inside = False
        self.select = self.area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.is_inside = given.get("id") == "flow-form"
        if not self.is_inside:
            return
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.fields[name] = value or ("on" if given.get("type") == "checkbox" else "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and ("selected" in given or self.select not in self.fields):
            self.fields[self.select] = value
        elif tag == "textarea":
            self.area, self.fields[name] = name, ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # A browser leaves out the first line break of a text area.
            self.fields[self.area] = self.fields[self.area].removeprefix("\n")
            self.area = ""
        if tag == "form":
            self.is_inside = False

    def handle_data(self, data: str) -> None:
        if self.area:
            self.fields[self.area] += data


class Editor:
    """A member at the form of a flow, or of a new one."""

    def __init__(self, world: World, flow: Flow | None = None) -> None:
        self.client = Client()
        self.client.force_login(world.owner.user)
        slug = world.tenant.slug
        named = ("flow-edit", [slug, flow.pk]) if flow else ("flow-create", [slug])
        self.url = reverse(f"flows:{named[0]}", args=named[1])
        self.read(self.client.get(self.url))

    def read(self, response: Any) -> None:
        self.response, self.text = response, unescape(response.content.decode())
        reader = FormReader()
        reader.feed(response.content.decode())
        self.fields = reader.fields

    def press(self, button: str, **changes: Any) -> Editor:
        data = {**self.fields, **changes, "do": button}
        self.read(self.client.post(self.url, {key: v for key, v in data.items() if v is not None}))
        return self

    def values(self, kind: str, field: str) -> list[str]:
        count = int(self.fields[f"{kind}-count"])
        return [self.fields.get(f"{kind}-{place}-{field}", "") for place in range(count)]

    def errors(self) -> dict[str, str]:
        found = re.findall(r'id="id_([\w-]+)_error">.*?<span>(.*?)</span>', self.text, re.DOTALL)
        return {name: text.strip() for name, text in found}


def new_flow(world: World) -> dict[str, str]:
    return {"name": "Nightly", "steps-0-name": "build", "steps-0-skill_id": str(world.skill.pk)}


def test_a_flow_is_made_by_the_page(world):
    editor = Editor(world)
    profile = ProfileFactory(tenant=world.tenant)
    editor.press("add-parameters").press(
        "save",
        **new_flow(world),
        **{
            "steps-0-profile_id": str(profile.pk),
            "steps-0-parameters": "target: {{ params.target }}\r\ncount: 3\r\nlist:\r\n  - {{ run.title }}",
            "steps-0-condition": "params.target",
            "steps-0-has_checkpoint": "on",
            "steps-0-checkpoint_message": "Sure?",
            "steps-0-on_failure": "retry",
            "steps-0-max_retries": "2",
            "steps-0-artifacts": "dist/*\r\n\r\nlogs/*.txt",
            "parameters-0-name": "target",
            "parameters-0-required": "on",
            "max_minutes": "30",
            "checkpoint_mode": "all",
            "approvers": str(world.admin.user_id),
        },
    )
    flow = Flow.objects.get(name="Nightly")
    assert editor.response.headers["Location"] == reverse(
        "flows:flow-detail", args=[world.tenant.slug, flow.pk]
    )
    design = services.read_design(flow)
    [step] = design.steps
    assert step.parameters == {"target": "{{ params.target }}", "count": 3, "list": ["{{ run.title }}"]}
    assert (step.profile_id, step.artifacts) == (profile.pk, ("dist/*", "logs/*.txt"))
    assert (step.on_failure, step.max_retries, step.checkpoint_message) == ("retry", 2, "Sure?")
    assert (design.max_minutes, design.checkpoint_mode) == (30, "all")
    assert design.approver_ids == {world.admin.user_id}
    assert design.parameters[0].required


def test_saving_what_is_shown_changes_nothing(world):
    text = (
        'name: Odd\nparameters:\n  a: {default: ""}\n  b: {type: number, default: 1.5, hidden: true}\n'
        "  c: {type: boolean, default: false}\nsteps:\n- name: one\n  skill: Ship\n"
        '  parameters: {t: "yes", n: "1", x: [1, {y: null}], z: "a\\nb\\n", e: "{{ params.a }}"}\n'
        "  artifacts: [a, b]\n  backoff_seconds: 0\n- name: two\n  skill: Ship\n  on_failure: skip\n"
    )
    flow = load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text).flow
    before = services.read_design(flow)
    editor = Editor(world, flow).press("save")
    assert editor.response.status_code == 302
    assert services.read_design(Flow.objects.get(pk=flow.pk)) == before
    flow.refresh_from_db()
    assert flow.version == 1


def test_rows_are_added_removed_and_moved_and_nothing_is_stored(world):
    editor = Editor(world, world.flow)
    assert editor.values("steps", "name") == ["build", "test", "deploy"]
    editor.press("down-steps-0", **{"steps-0-condition": "half a {{ thought"})
    assert editor.values("steps", "name") == ["test", "build", "deploy"]
    assert editor.values("steps", "condition")[1] == "half a {{ thought"
    editor.press("up-steps-2").press("remove-steps-0").press("add-steps")
    assert editor.values("steps", "name") == ["deploy", "build", ""]
    assert editor.values("steps", "has_checkpoint") == ["on", "", ""]
    editor.press("add-parameters").press("up-parameters-3").press("remove-parameters-0")
    assert editor.values("parameters", "name") == ["retries", "", "dry_run"]
    for button in ("up-steps-0", "down-steps-2", "remove-steps-9", "up-steps-x", "shuffle-steps-1", "add-"):
        before = {**editor.fields, "csrfmiddlewaretoken": ""}
        assert {**editor.press(button).fields, "csrfmiddlewaretoken": ""} == before
    assert Flow.objects.get().version == 1


def test_what_is_changed_is_the_next_version(world):
    editor = Editor(world, world.flow)
    editor.press("save", name="Release 2", **{"steps-0-name": "compile"})
    flow = Flow.objects.get()
    assert (flow.name, flow.version, flow.steps.first().name) == ("Release 2", 2, "compile")


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": ""}, "name", "This field is required"),
        ({"name": "RELEASE"}, "name", "is there already"),
        ({"max_turns": "0"}, "max_turns", "a limit is at least 1"),
        ({"repo_path": "/a/{{ params.b }}"}, "repo_path", "there is no parameter “b”"),
        ({"steps-0-name": "a b"}, "steps-0-name", "a step's name is"),
        ({"steps-0-skill_id": ""}, "steps-0-skill_id", "This field is required"),
        ({"steps-0-condition": "params.x"}, "steps-0-condition", "there is no parameter “x”"),
        ({"steps-0-parameters": "a: {{ params.x }}"}, "steps-0-parameters", "a: there is no parameter “x”"),
        ({"steps-0-parameters": "a: [1"}, "steps-0-parameters", "line 1: it is no YAML"),
        ({"steps-0-parameters": "just text"}, "steps-0-parameters", "these are lines of name: value"),
        ({"steps-0-on_failure": "fallback"}, "steps-0-fallback_step", "which is no later step"),
        ({"steps-0-on_failure": "retry"}, "steps-0-max_retries", "needs 1 to 100 retries"),
        ({"steps-0-artifacts": "/etc/*"}, "steps-0-artifacts", "“/etc/*” names no files inside"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_stored(world, changes, field, said):
    editor = Editor(world).press("save", **{**new_flow(world), **changes})
    assert editor.response.status_code == 422
    assert said in editor.errors()[field]
    assert list(editor.errors()) == [field]
    assert Flow.objects.count() == 1
    assert editor.fields["steps-0-name"] == changes.get("steps-0-name", "build")


def test_a_wrong_pattern_is_quoted_and_not_numbered(world):
    editor = Editor(world).press("save", **new_flow(world), **{"steps-0-artifacts": "dist/*\r\n\r\n/etc/*"})
    assert editor.errors()["steps-0-artifacts"].startswith("“/etc/*” names")


def test_a_default_of_a_wrong_type_is_said_at_its_field(world):
    editor = Editor(world).press("add-parameters")
    wrong = {"parameters-0-name": "n", "parameters-0-type": "number", "parameters-0-default": "many"}
    editor.press("save", **new_flow(world), **wrong)
    assert "must be a number" in editor.errors()["parameters-0-default"]


def test_a_flow_without_steps_is_refused_in_words(world):
    editor = Editor(world).press("remove-steps-0").press("save", name="Empty")
    assert editor.response.status_code == 422
    assert "a flow has at least one step" in editor.text


def test_a_version_that_is_not_the_newest_is_refused_and_what_was_entered_stays(world):
    mine, theirs = Editor(world, world.flow), Editor(world, world.flow)
    theirs.press("save", description="Theirs")
    mine.press("save", description="Mine")
    assert mine.response.status_code == 409
    assert "version 1, now 2" in mine.text
    assert mine.fields["description"] == "Mine"
    assert Flow.objects.get().description == "Theirs"


def test_skills_and_profiles_of_other_workspaces_cannot_be_chosen(world):
    stranger = World()
    profile = ProfileFactory(tenant=stranger.tenant)
    for field, value in (("skill_id", stranger.skill.pk), ("profile_id", profile.pk)):
        changes = {**new_flow(world), f"steps-0-{field}": str(value)}
        editor = Editor(world).press("save", **changes)
        assert "not one of the available choices" in editor.errors()[f"steps-0-{field}"]


def test_the_form_costs_the_same_queries_for_more_steps(world, django_assert_max_num_queries):
    editor = Editor(world, world.flow)
    with django_assert_max_num_queries(60) as few:
        editor.press("add-steps")
    for _ in range(4):
        editor.press("add-steps").press("add-parameters")
    with django_assert_max_num_queries(60) as many:
        editor.press("add-steps")
    assert len(few) == len(many)


@pytest.mark.parametrize("button", ["up-steps-²", "remove-steps-" + "9" * 5000])
def test_a_button_of_a_row_that_there_is_not_changes_nothing(world, button):
    editor = Editor(world, world.flow)
    before = editor.fields
    assert editor.press(button).response.status_code == 200
    assert {**editor.fields, "csrfmiddlewaretoken": ""} == {**before, "csrfmiddlewaretoken": ""}


def test_a_version_or_a_count_past_all_numbers_is_refused_like_any_that_is_wrong(world):
    assert Editor(world, world.flow).press("save", version="9" * 5000).response.status_code == 409
    assert Editor(world, world.flow).press("save", **{"steps-count": "9" * 5000}).response.status_code == 422


@pytest.mark.parametrize("text", ["\n" * 40_000 + "!", "a: {{}}" + " " * 60_000 + "x"])
def test_parameters_of_many_blanks_are_read_in_a_moment(world, text):
    editor = Editor(world, world.flow)
    began = time.process_time()
    editor.press("save", **{"steps-0-parameters": text})
    assert time.process_time() - began < 5
