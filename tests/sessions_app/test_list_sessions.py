"""`manage.py list_sessions`: the list for people and for programs, and 2 for what cannot be asked."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from sessions_app.registry import get_kind
from tests.sessions_app.scene import Scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    """Three toys: one that spins, two that are over, one of them broken."""
    scene = Scene.make()
    now = timezone.now()
    for hours, (status, title) in enumerate((("spinning", "Top"), ("stopped", "Yo-yo"), ("broken", "Kite"))):
        scene.add(
            get_kind("toy"),
            status=status,
            title=title,
            changed_at=now - timedelta(hours=hours),
            owner=scene.owners[hours],
            plan=scene.plans[0] if status == "stopped" else None,
            error="Error: no wind" if status == "broken" else "",
        )
    return scene


def run(scene: Scene, *args: str) -> str:
    out = StringIO()
    call_command("list_sessions", "--workspace", scene.tenant.slug, *args, stdout=out)
    return out.getvalue()


def titles(scene: Scene, *args: str) -> list[str]:
    document: dict[str, Any] = json.loads(run(scene, "--json", *args))
    return [row["title"] for row in document["sessions"]]


def test_people_read_a_table_with_both_groups(scene: Scene) -> None:
    lines = run(scene).splitlines()
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == [
        "Active",
        "Everything else",
    ]
    assert lines[1].split()[:3] == ["Spinning", "Toy", "Top"]
    assert lines[-1].strip() == "Error: no wind"


def test_programs_read_one_document(scene: Scene) -> None:
    document = json.loads(run(scene, "--json", "--status", "broken"))
    (row,) = document["sessions"]
    assert document["workspace"] == scene.tenant.slug
    assert (row["key"], row["kind"], row["tone"]) == (f"toy:{row['id']}", "toy", "problem")
    assert row["progress"] == {"label": "0 turns", "done": 0, "total": 0}
    assert (document["next_cursor"], document["previous_cursor"], document["is_partial"]) == (
        None,
        None,
        False,
    )


def test_every_filter_can_be_given_and_excluded(scene: Scene) -> None:
    owner, plan = scene.owners[0], scene.plans[0]
    assert titles(scene) == ["Top", "Yo-yo", "Kite"]
    assert titles(scene, "--owner", owner.email, "--owner", str(scene.owners[2].pk)) == ["Top", "Kite"]
    assert titles(scene, "--not-owner", owner.email) == ["Yo-yo", "Kite"]
    assert titles(scene, "--plan", plan.name.upper()) == ["Yo-yo"]
    assert titles(scene, "--tone", "active", "--tone", "problem") == ["Top", "Kite"]
    assert titles(scene, "--not-status", "broken", "--kind", "toy") == ["Top", "Yo-yo"]
    assert titles(scene, "--q", "WIND", "--updated", "24h") == ["Kite"]
    assert titles(scene, "--tab", "failed") == ["Kite"]
    assert titles(scene, "--not-kind", "toy") == []


def test_the_cursor_of_one_page_leads_to_the_next(scene: Scene) -> None:
    first = json.loads(run(scene, "--json", "--limit", "2"))
    assert titles(scene, "--limit", "2", "--cursor", first["next_cursor"]) == ["Kite"]
    assert run(scene, "--limit", "2").splitlines()[-1].startswith("More: --cursor ")


def test_an_empty_list_says_so(scene: Scene) -> None:
    assert run(scene, "--status", "lost") == "No session matches.\n"


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("--kind", "tool"), "kind=tool: "),
        (("--owner", "me"), "owner=me: nobody is signed in"),
        (("--not-plan", "none such"), "not_plan=none such: "),
        (("--q", "ab"), "q=ab: "),
        (("--limit", "0"), "limit=0: "),
        (("--cursor", "x"), "cursor=x: "),
    ],
)
def test_a_bad_value_ends_with_2_and_is_named(scene: Scene, args: tuple[str, ...], named: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(scene, *args)
    assert caught.value.returncode == 2
    assert str(caught.value).startswith(named)


def test_all_bad_values_are_named_at_once(scene: Scene) -> None:
    with pytest.raises(CommandError) as caught:
        run(scene, "--kind", "tool", "--tone", "red")
    assert [line.partition("=")[0] for line in str(caught.value).splitlines()] == ["kind", "tone"]


def test_an_unknown_workspace_is_named() -> None:
    with pytest.raises(CommandError, match="workspace=nowhere") as caught:
        call_command("list_sessions", "--workspace", "nowhere")
    assert caught.value.returncode == 2
