"""`load_flow` and `dump_flow` as they are called."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from flows.models import Flow
from tests.factories.workspace import TenantFactory
from tests.flows.worlds import World

SMALL = "name: Nightly\nsteps:\n- name: build\n  skill: Ship\n"


def run(*args: object, **options: Any) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


def write(folder: Path, text: str) -> str:
    path = folder / "flow.yaml"
    path.write_text(text)
    return str(path)


def refused(*args: object, **options: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*args, **options)
    return caught.value


def test_a_file_is_loaded_and_what_was_done_is_said(world, tmp_path):
    slug = world.tenant.slug
    path = write(tmp_path, SMALL)
    assert run("load_flow", path) == f"flow “Nightly”: created, version 1 (workspace {slug})\n"
    assert run("load_flow", path, workspace=slug).startswith("flow “Nightly”: unchanged, version 1")
    told = json.loads(run("load_flow", path, "--json"))
    flow = Flow.objects.get(name="Nightly")
    assert told == {
        "outcome": "unchanged",
        "flow": "Nightly",
        "id": str(flow.pk),
        "version": 1,
        "skills": {},
        "is_dry_run": False,
    }


def test_a_dry_run_says_what_would_happen_and_keeps_nothing(world, tmp_path):
    path = write(tmp_path, SMALL + "skills:\n  Ship: {runtime: shell, body: make all}\n")
    told = run("load_flow", path, "--dry-run")
    assert told.splitlines()[0] == "skill “Ship”: would be changed"
    assert "flow “Nightly”: would be created" in told
    assert not Flow.objects.filter(name="Nightly").exists()
    world.skill.refresh_from_db()
    assert world.skill.body == "make ship"


def test_a_wrong_file_is_refused_with_file_line_and_path(world, tmp_path):
    path = write(tmp_path, SMALL.replace("Ship", "Sihp") + "  conditoin: x\n")
    error = refused("load_flow", path)
    assert error.returncode == 1
    assert str(error).splitlines() == [
        f"{path}:4: steps[0].skill: there is no skill “Sihp” in this workspace; did you mean “ship”?",
        f"{path}:5: steps[0].conditoin: there is no “conditoin” here; did you mean “condition”?",
    ]
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("load_flow", path, "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["outcome"] == "refused"
    assert told["problems"][0]["line"] == 4
    assert told["problems"][0]["path"] == "steps[0].skill"


def test_a_file_that_is_not_there_or_no_text_is_said(world, tmp_path):
    assert refused("load_flow", str(tmp_path / "none.yaml")).returncode == 2
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in str(refused("load_flow", str(tmp_path / "binary")))


def test_a_dumped_file_loads_as_the_same_flow(world, tmp_path):
    path = tmp_path / "release.yaml"
    assert run("dump_flow", "release", "-o", str(path)) == ""
    assert run("dump_flow", "Release") == path.read_text()
    assert "unchanged, version 1" in run("load_flow", str(path))


def test_a_flow_or_workspace_that_is_not_there_is_said_with_those_that_are(world):
    assert str(refused("dump_flow", "Relaese")) == "there is no flow “Relaese”; there are: Release"
    other = TenantFactory(slug="other")
    told = str(refused("dump_flow", "Release"))
    assert told.startswith("--workspace: say which; there are: ")
    assert other.slug in told
    assert "no workspace 'nowhere'" in str(refused("dump_flow", "Release", workspace="nowhere"))


def test_another_workspaces_flow_is_not_dumped(world: World):
    TenantFactory(slug="other")
    assert refused("dump_flow", "Release", workspace="other").returncode == 2
