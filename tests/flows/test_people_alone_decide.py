"""No time-out ever approves: whatever is not a person decides nothing, and no job calls what decides."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied

from flows import services
from flows.models import FlowRun, RunStatus
from tests.flows.worlds import WORKER, picture_of
from workspace.actors import SYSTEM

#: What lets work go on that waits for a person's decision.
DECIDING = {"approve_checkpoint", "skip_checkpoint", "decide_approval"}
#: Where it is called or handed on: by services themselves, and by what a member's own request reaches.
REACHED_BY_PEOPLE = {
    "flows/services/decisions.py",
    "flows/services/__init__.py",
    "flows/session_kind.py",
    "flows/checkpoint_views.py",
    "flows/api.py",  # with a token whose owner gave it this scope, in the owner's name: ADR 75
    "chats/services.py",
    "tasks/deciding.py",
    "tasks/services.py",
    "tasks/session_kind.py",
}
#: People whom the demo tells of, by name.
STORIES = "config/demo/"
APPS = ("config", "workspace", "audit", "agents", "tasks", "flows", "chats", "intake", "sessions_app")


def names_in(source: str) -> set[str]:
    """Every name that a module takes up or defines: variables, attributes, imports, functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
            case ast.FunctionDef(name=name):
                found.add(name)
    return found


def test_what_decides_is_called_from_where_people_are_alone():
    root = Path(settings.BASE_DIR)
    callers = {
        str(path.relative_to(root))
        for app in APPS
        for path in (root / app).rglob("*.py")
        if names_in(path.read_text()) & DECIDING
    }
    strangers = {path for path in callers - REACHED_BY_PEOPLE if not path.startswith(STORIES)}
    assert strangers == set()
    assert {"flows/session_kind.py", "flows/services/decisions.py"} <= callers


@pytest.mark.parametrize("actor", [SYSTEM, WORKER], ids=["system", "worker"])
@pytest.mark.parametrize("decide", [services.approve_checkpoint, services.skip_checkpoint])
def test_what_is_no_person_decides_nothing(world, decide, actor):
    run = world.run_that_is(RunStatus.PAUSED)
    before = picture_of(run)
    with pytest.raises(PermissionDenied):
        world.call(decide, run, actor=actor, seen_version=FlowRun.objects.get(pk=run.pk).version)
    assert picture_of(run) == before
