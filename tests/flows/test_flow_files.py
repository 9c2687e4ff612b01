"""A flow's file becomes the flow, whole or not at all."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from django.conf import settings

from agents.models import Skill
from audit.models import AuditEntry
from flows import services
from flows.flow_files.loading import LoadedFlow, load_flow
from flows.flow_files.reading import WrongFile
from flows.flow_files.writing import dump_flow
from flows.models import Flow
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.workspace import InitiativeFactory
from tests.flows.worlds import World

SMALL = """\
name: Nightly
parameters:
  target: {required: true}
steps:
  - name: build
    skill: Build
    parameters: {target: "{{ params.target }}"}
skills:
  Build: {runtime: shell, body: make}
"""


def load(world: World, text: str) -> LoadedFlow:
    return load_flow(tenant_id=world.tenant.pk, actor=world.actor, text=text)


def refusals(world: World, text: str) -> list[str]:
    """What is said of a file, which has written nothing."""
    before = (Flow.objects.count(), Skill.objects.count(), AuditEntry.objects.count())
    with pytest.raises(WrongFile) as caught:
        load(world, text)
    assert (Flow.objects.count(), Skill.objects.count(), AuditEntry.objects.count()) == before
    return [str(problem) for problem in caught.value.problems]


def example() -> str:
    page = (settings.BASE_DIR / "docs" / "flow-files.md").read_text()
    [block] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return block


def test_the_example_of_the_documentation_makes_a_flow_that_starts(world):
    loaded = load(world, example().replace("name: Release", "name: The example"))
    assert (loaded.outcome, set(loaded.skills.values())) == ("created", {"created"})
    design = services.read_design(loaded.flow)
    assert [step.name for step in design.steps] == ["test", "build", "deploy"]
    assert (design.steps[0].on_failure, design.steps[0].max_retries) == ("retry", 2)
    assert (design.steps[2].has_checkpoint, design.max_minutes) == (True, 60)
    run = world.start(flow_id=loaded.flow.pk)
    assert run.parameters == {"environment": "staging", "retries": 2, "dry_run": False}


def test_each_key_of_the_documentation_is_known_and_each_known_key_is_documented(world):
    page = (settings.BASE_DIR / "docs" / "flow-files.md").read_text()
    documented = set(re.findall(r"^\| (`.+?`(?:, `.+?`)*) \|", page, re.MULTILINE))
    keys = {key for cell in documented for key in re.findall(r"`(\w+)`", cell)}
    told = " ".join(refusals(world, "zzzz: 1\nsteps:\n  - qqqq: 1\ntriggers:\n  - qqqq: 1\n"))
    known = set(re.findall(r"\w+", " ".join(re.findall(r"there are ([a-z_, ]+)", told))))
    assert keys == known


def test_a_file_that_is_loaded_again_makes_no_version_and_no_entry(world):
    first = load(world, SMALL)
    entries = AuditEntry.objects.count()
    again = load(world, SMALL)
    assert (again.outcome, again.skills) == ("unchanged", {"Build": "unchanged"})
    assert (again.flow.pk, again.flow.version, AuditEntry.objects.count()) == (first.flow.pk, 1, entries)


def test_a_changed_file_is_the_next_version_of_the_flow_and_changes_its_skill(world):
    load(world, SMALL)
    loaded = load(world, SMALL.replace("name: build", "name: compile").replace("body: make", "body: ninja"))
    assert (loaded.outcome, loaded.skills, loaded.flow.version) == ("changed", {"Build": "changed"}, 2)
    assert Skill.objects.get(name="Build").body == "ninja"
    assert {entry.action for entry in AuditEntry.objects.all()} >= {"update_flow", "change_skill"}


def test_a_name_finds_its_row_in_whatever_case(world):
    load(world, SMALL)
    loaded = load(
        world, SMALL.replace("name: Nightly", "name: nightly").replace("skill: Build", "skill: BUILD")
    )
    assert (loaded.outcome, loaded.flow.name) == ("changed", "nightly")


def test_all_that_is_wrong_is_said_at_once_with_its_line(world):
    text = """\
name: Nightly
descripton: A typo.
checkpoints: sometimes
limits: {turns: many}
approvers: [nobody@example.com]
plan: Nowhere
parameters:
  target: {type: strnig, required: yes}
  2nd: {}
steps:
  - name: build
    skill: Biuld
    parameters: {target: "{{ params.tagret }}"}
    on_failure: {fallback: build}
  - name: build it
    skill: Build
    condition: steps.later.result
    artifacts: [/etc/passwd, 3]
  - skill: Unused
    profile: Ghost
skills:
  Build: {runtime: shell, body: "make {{ params.target }}", timeout: 3}
"""
    SkillFactory(tenant=world.tenant, name="Unused")
    assert refusals(world, text) == [
        "2: descripton: there is no “descripton” here; did you mean “description”?",
        "3: checkpoints: “sometimes” is none of template, all, none",
        "4: limits.turns: this has to be a whole number",
        "5: approvers[0]: nobody@example.com is no member of this workspace who may decide",
        "6: plan: there is no plan “Nowhere” in this workspace",
        "8: parameters.target.type: “strnig” is none of string, number, boolean; did you mean “string”?",
        "8: parameters.target.required: this has to be true or false",
        "9: parameters.2nd: “2nd” is no name for a parameter: letters, digits and _, not a digit first",
        "12: steps[0].skill: there is no skill “Biuld” in this workspace; did you mean “build”?",
        "13: steps[0].parameters.target: there is no parameter “tagret”",
        "14: steps[0].on_failure.fallback: it falls back to “build”, which is no later step of this flow",
        "15: steps[1].name: a step's name is 1 to 100 letters, digits, - or _",
        "16: steps[1].skill: its skill: line 1: a command is not filled in: values reach a command as "
        "$PARAM_TARGET, not as “{{ params.target”",
        "17: steps[1].condition: there is no earlier step “later”",
        "18: steps[1].artifacts[1]: this has to be text",
        "18: steps[1].artifacts[0]: “/etc/passwd” names no files inside of the run's folder",
        "19: steps[2].name: “name” is missing",
        "20: steps[2].profile: there is no profile “Ghost” in this workspace",
        "22: skills.Build.timeout: there is no “timeout” here; there are runtime, body, description",
        "22: skills.Build.body: line 1: a command is not filled in: values reach a command as $PARAM_TARGET, "
        "not as “{{ params.target”",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: the file is empty"),
        ("- a\n- b\n", "1: this has to be keys with values"),
        ("name: [1", "1: it is no YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("name: a\n\tsteps: 1\n", "2: it is no YAML: while scanning for the next token"),
        ("a: &x [1]\nb: *x\n", "1: “&x”: anchors are not read"),
        ("a: 1\nb: *x\n", "2: “*x”: write it out"),
        ("a: !!python/object/apply:os.system [id]\n", "1: “tag:yaml.org,2002:python/object/apply:os.system”"),
        ("a: !include /etc/passwd\n", "1: “!include”: tags are not read"),
        ("a: 1\nb: 2\na: 3\n", "3: a: it stands twice, first in line 1"),
        ("steps:\n - {name: a, name: b}\n", "2: steps[0].name: it stands twice, first in line 2"),
        ("1: a\n", "1: a key is text: put “1” in quotes"),
        ("true: a\n", "1: a key is text: put “true” in quotes"),
        ("? [a, b]\n: c\n", "1: a key is text: put this in quotes"),
        ("a: 1\n---\nb: 2\n", "2: it is no YAML: expected a single document in the stream"),
        ("a: " + "9" * 400, "1: a: “" + "9" * 40 + "” is too large a number"),
        ("a: .inf\n", "1: a: “.inf” is too large a number"),
        ("a: 1\nb: \x07\n", "2: it cannot be read: special characters are not allowed"),
        ("a: " + "[" * 40 + "]" * 40, "1: there are more than 30 levels"),
        ("a: [" + "1, " * 20_001 + "]", "1: there are more than 20,000 values"),
        ("#" * 256_001, "1: the file has more than 256,000 characters"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(world, text, said):
    assert refusals(world, text)[0].startswith(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"checkpoint": 3}, "steps[0].checkpoint: this has to be true, false, or the message"),
        ({"checkpoint": "a", "checkpoint_message": "b"}, "stands at “checkpoint” already"),
        ({"checkpoint": "{{ params.x }}?"}, "steps[0].checkpoint: there is no parameter “x”"),
        ({"checkpoint_message": "{{ params.x }}?"}, "steps[0].checkpoint_message: there is no parameter “x”"),
        ({"on_failure": "retry"}, "this has to be stop, skip, {fallback: STEP} or {retry: TIMES}"),
        ({"on_failure": {"retry": 0}}, "steps[0].on_failure.retry: a step that is retried"),
        ({"on_failure": {"retyr": 1}}, "steps[0].on_failure.retyr: there is no “retyr” here"),
        ({"on_failure": {}}, "this has to be stop, skip"),
        ({"parameters": ["a"]}, "steps[0].parameters: this has to be keys with values"),
        ({"parameters": {"a-b": 1}}, "steps[0].parameters.a-b: “a-b” is no name for a parameter"),
        ({"backoff_seconds": "1"}, "this has to be a whole number"),
        ({"condition": "a" * 501}, "a condition has at most 500 characters"),
        ({"name": 12}, "steps[0].name: this has to be text"),
    ],
)
def test_a_step_that_is_wrong_is_refused_at_its_key(world, change, said):
    given = yaml.safe_load(SMALL)
    given["steps"][0] |= change
    told = refusals(world, yaml.safe_dump(given, sort_keys=False))
    assert len(told) == 1
    assert said in told[0]


def test_a_skill_that_no_step_uses_is_refused(world):
    told = refusals(world, SMALL + "  Test: {runtime: shell, body: make test}\n")
    assert told == ["10: skills.Test: no step uses this skill"]


def test_an_archived_flow_is_not_changed_behind_its_back(world):
    flow = load(world, SMALL).flow
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=flow.pk, actor=world.actor)
    assert refusals(world, SMALL) == ["1: name: “Nightly” is archived; restore it first"]


def test_skills_profiles_and_flows_of_other_workspaces_are_not_there(world):
    stranger = World()
    SkillFactory(tenant=stranger.tenant, name="Theirs")
    ProfileFactory(tenant=stranger.tenant, name="Their profile")
    text = SMALL.replace("skill: Build", "skill: Theirs\n    profile: Their profile").replace(
        "  Build: {runtime: shell, body: make}\n", ""
    )
    assert [line.partition(": there")[0] for line in refusals(world, text.replace("skills:\n", ""))] == [
        "6: steps[0].skill",
        "7: steps[0].profile",
    ]
    assert load(stranger, SMALL).flow.pk != load(world, SMALL).flow.pk


def test_words_that_other_yaml_takes_for_something_else_are_text(world):
    text = SMALL.replace(
        '"{{ params.target }}"', '[yes, no, on, 12:30, 2026-01-02, 0x1F, 1_000, "3", ~, 4.5]'
    )
    step = load(world, text).flow.steps.get()
    expected: list[Any] = ["yes", "no", "on", "12:30", "2026-01-02", "0x1F", "1_000", "3", None, 4.5]
    assert step.parameters == {"target": expected}


def test_a_dumped_flow_names_what_it_belongs_to_and_reads_well(world):
    initiative = InitiativeFactory(tenant=world.tenant, name="Uptime")
    profile = ProfileFactory(tenant=world.tenant, name="Sandbox")
    design = services.read_design(world.flow)
    changed = replace(
        design,
        initiative_id=initiative.pk,
        approver_ids=frozenset({world.admin.user_id}),
        steps=(replace(design.steps[0], profile_id=profile.pk), *design.steps[1:]),
    )
    flow = services.update_flow(
        tenant_id=world.tenant.pk, flow_id=world.flow.pk, actor=world.actor, design=changed
    )
    assert dump_flow(flow) == (
        f"name: Release\ninitiative: Uptime\napprovers:\n- {world.admin.user.email}\n"
        "parameters:\n  environment:\n    required: true\n  retries:\n    type: number\n    default: 3\n"
        "  dry_run:\n    type: boolean\n"
        "steps:\n- name: build\n  skill: Ship\n  profile: Sandbox\n  parameters:\n    target: all\n"
        "- name: test\n  skill: Ship\n- name: deploy\n  skill: Ship\n  checkpoint: Deploy it?\n"
        f"skills:\n  Ship:\n    runtime: {world.skill.runtime}\n"
        + (f"    description: {world.skill.description}\n" if world.skill.description else "")
        + "    body: make ship\n"
    )
    assert load(world, dump_flow(flow)).outcome == "unchanged"


TRIGGERS = """\
triggers:
- cron: 0 6 * * 1
  time_zone: Europe/Berlin
  owner: {owner}
  parameters:
    target: all
- cron: 0 7 * * *
  owner: {owner}
  parameters:
    target: some
  skips_overlap: true
  paused: true
"""


def test_the_schedules_of_a_file_are_made_kept_replaced_and_deleted(world):
    text = SMALL + TRIGGERS.format(owner=world.owner.user.email)
    flow = load(world, text).flow
    weekly, daily = flow.triggers.order_by("pk")
    assert (weekly.time_zone, weekly.owner_id, weekly.paused_at) == (
        "Europe/Berlin",
        world.owner.user_id,
        None,
    )
    assert (daily.time_zone, daily.skips_overlap, daily.paused_at is None) == ("UTC", True, False)
    entries = AuditEntry.objects.count()
    for same in (text, SMALL, dump_flow(flow)):
        assert load(world, same).outcome == "unchanged"
    assert AuditEntry.objects.count() == entries

    assert load(world, text.replace("0 7 * * *", "0 8 * * *")).outcome == "changed"
    assert [trigger.cron for trigger in flow.triggers.order_by("pk")] == ["0 6 * * 1", "0 8 * * *"]
    assert flow.triggers.order_by("pk")[0].pk == weekly.pk
    assert load(world, SMALL + "triggers: []\n").outcome == "changed"
    assert not flow.triggers.exists()
    assert load(world, SMALL).flow.version == 1


def test_schedules_that_do_not_hold_are_refused_with_the_rest(world):
    text = SMALL.replace("target: {required: true}", "target: {required: yes}") + (
        f"triggers:\n- {{cron: often, owner: {world.viewer.user.email}, time_zone: Mars}}\n"
        f"- {{owner: {world.owner.user.email}, cron: 0 7 * * *, parameters: {{tarmac: 1}}}}\n- 3\n"
    )
    assert [line.split(": ")[:2] for line in refusals(world, text)] == [
        ["3", "parameters.target.required"],
        ["11", "triggers[0].owner"],
        ["11", "triggers[0].time_zone"],
        ["11", "triggers[0].cron"],
        ["12", "triggers[1].parameters.tarmac"],
        ["13", "triggers[2]"],
    ]


def test_two_skills_of_one_name_are_refused_in_whatever_case(world):
    text = SMALL + "  build: {runtime: shell, body: make all}\n"
    assert refusals(world, text) == ["10: skills.build: a skill of this name stands in the file already"]


@pytest.mark.parametrize("owner", [r"a\0b", r"\ud800"])
def test_an_owner_that_is_no_text_of_the_database_is_refused_like_any_stranger(world, owner):
    text = f'{SMALL}triggers: [{{cron: "0 9 * * *", owner: "{owner}", parameters: {{target: a}}}}]\n'
    [said] = refusals(world, text)
    assert "is no member of this workspace" in said


def test_a_default_past_what_numbers_hold_is_refused(world):
    text = SMALL.replace("{required: true}", f"{{type: number, default: {2**1024 - 1}}}")
    assert refusals(world, text) == ["3: parameters.target.default: the default of “target” must be a number"]


def test_a_skill_that_another_flow_does_not_fit_any_more_is_refused_with_its_line_and_that_flow(world):
    load(world, SMALL)
    load(world, SMALL.replace("Nightly", "Weekly").replace('{target: "{{ params.target }}"}', "{}"))
    asks = SMALL.replace("runtime: shell, body: make", 'runtime: model, body: "Build {{ params.target }}"')
    [said] = refusals(world, asks)
    assert said.startswith("9: skills.Build.body: line 1: there is no parameter “target”")
    assert said.endswith("in the step “build” of the flow “Weekly”")
    weekly = Flow.objects.get(name="Weekly")
    services.archive_flow(tenant_id=world.tenant.pk, flow_id=weekly.pk, actor=world.actor)
    assert load(world, asks).skills == {"Build": "changed"}


def test_a_flow_and_its_own_skill_change_together(world):
    load(world, SMALL)
    renamed = SMALL.replace("{target: ", "{place: ").replace(
        "runtime: shell, body: make", 'runtime: model, body: "Build {{ params.place }}"'
    )
    assert load(world, renamed).skills == {"Build": "changed"}


def test_a_skill_that_stays_as_it_is_is_not_held_against_the_file(world):
    load(world, SMALL)
    load(world, SMALL.replace("Nightly", "Weekly").replace('{target: "{{ params.target }}"}', "{}"))
    Skill.objects.filter(name="Build").update(runtime="model", body="Build {{ params.target }}")
    same = SMALL.replace("runtime: shell, body: make", 'runtime: model, body: "Build {{ params.target }}"')
    assert load(world, same + "triggers: []\n").skills == {"Build": "unchanged"}
