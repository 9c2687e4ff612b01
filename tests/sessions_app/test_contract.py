"""What every registered kind owes the lens; a new kind is tested by being registered."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from sessions_app.bands import possible_statuses
from sessions_app.checks import check_kind
from sessions_app.hydration import present_rows
from sessions_app.kinds import Moment, SessionKind, Tone
from sessions_app.registry import all_kinds, get_kind, register
from tests.sessions_app.scene import KINDS, NOW, Scene
from tests.toy_kind.session_kind import ToyKind

pytestmark = pytest.mark.django_db

MOMENTS = [Moment(NOW + timedelta(minutes=minutes)) for minutes in (-30, 0, 29, 30, 31, 600)]
MOMENTS += [Moment(NOW, quiet_after=timedelta(minutes=minutes)) for minutes in (1, 1440)]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key)


@pytest.fixture
def scene() -> Scene:
    return Scene.make()


@pytest.fixture
def rows(scene: Scene, kind: SessionKind) -> Scene:
    """A session in each status, changed just before, at and after every bound of any moment."""
    steps = [timedelta(microseconds=step) for step in (-1, 0, 1)]
    ages = {moment.as_of - moment.quiet_after + step for moment in MOMENTS for step in steps}
    for status in kind.statuses:
        for changed_at in ages:
            scene.add(kind, status=status, changed_at=changed_at)
    return scene


def test_the_four_kinds_of_the_tests_are_registered() -> None:
    assert [kind.key for kind in all_kinds()] == ["flow_run", "background_task", "chat", "toy"]


@each_kind
def test_the_checks_find_nothing(kind: SessionKind) -> None:
    assert check_kind(kind) == []


@each_kind
def test_any_write_of_a_row_moves_the_time_at_which_it_was_touched(kind: SessionKind, scene: Scene) -> None:
    """A kind whose migrations lack the trigger would have changes that no page finds."""
    session = scene.add(kind, status=next(iter(kind.statuses)))
    row = kind.model.objects.filter(pk=session.pk)
    times = [row.get().touched_at]
    row.update(title="Another")
    times.append(row.get().touched_at)
    stale = row.get()
    stale.touched_at = times[0]
    stale.save()
    times.append(row.get().touched_at)
    assert times == sorted(set(times))


@each_kind
def test_a_lease_that_is_renewed_in_time_touches_nothing_and_a_lapsed_one_does(
    kind: SessionKind, scene: Scene
) -> None:
    session = scene.add(kind, status=next(iter(kind.statuses)))
    row = kind.model.objects.filter(pk=session.pk)
    row.update(lease_expires_at=Now() + timedelta(seconds=20))
    before = row.get().touched_at
    row.update(lease_expires_at=Now() + timedelta(seconds=25))
    assert row.get().touched_at == before
    row.update(lease_expires_at=Now() + timedelta(seconds=30), title="Another")
    with_title = row.get().touched_at
    assert with_title > before
    row.update(lease_expires_at=Now() - timedelta(seconds=1))
    lapsed = row.get().touched_at
    row.update(lease_expires_at=Now() + timedelta(seconds=20))
    assert row.get().touched_at > lapsed > with_title


@each_kind
def test_live_in_python_is_live_in_the_database(kind: SessionKind, rows: Scene) -> None:
    for moment in MOMENTS:
        live = set(kind.model.objects.filter(kind.live_q(moment)).values_list("pk", flat=True))
        for _, session in rows.sessions:
            assert kind.is_live(session, moment) is (session.pk in live)


@each_kind
def test_the_conditions_part_the_table(kind: SessionKind, rows: Scene) -> None:
    for moment in MOMENTS:
        parts = [
            set(kind.model.objects.filter(condition).values_list("pk", flat=True))
            for condition in (kind.live_q(moment), *kind.rest_qs(moment))
        ]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(rows.sessions)


@each_kind
def test_a_status_that_is_ruled_out_has_no_rows(kind: SessionKind, rows: Scene) -> None:
    for moment in MOMENTS:
        for condition in (kind.live_q(moment), *kind.rest_qs(moment)):
            found = set(kind.model.objects.filter(condition).values_list("status", flat=True))
            assert found <= possible_statuses(kind, condition)


@each_kind
def test_presenting_asks_the_database_nothing(kind: SessionKind, scene: Scene) -> None:
    for status in kind.statuses:
        scene.add(
            kind, status=status, initiative=scene.initiatives[0], plan=scene.plans[0], error="Error: no"
        )
    ids = [session.pk for _, session in scene.sessions]
    present_rows(scene.tenant, [(kind.key, key) for key in ids], scene.moment)
    found = kind.hydrate(scene.tenant.pk, ids)
    for obj in found.values():
        obj.tenant, obj.owner = scene.tenant, scene.owners[0]
        obj.initiative, obj.plan = scene.initiatives[0], scene.plans[0]
    with CaptureQueriesContext(connection) as captured:
        shown = [kind.present(obj, scene.moment, scene.tenant.slug) for obj in found.values()]
    assert len(captured) == 0
    assert {row.status for row in shown} == set(kind.statuses)


@each_kind
def test_a_row_says_everything_about_its_session(kind: SessionKind, scene: Scene) -> None:
    status = min(kind.statuses)
    session = scene.add(
        kind,
        status=status,
        owner=scene.owners[1],
        initiative=scene.initiatives[0],
        plan=scene.plans[1],
        title="Ship it",
        error="Error: no",
        repo="example/site",
        origin="cli",
    )
    (row,) = scene.page().rows
    info = kind.statuses[status]
    assert (row.key, row.kind_label, row.kind_icon) == (f"{kind.key}:{session.pk}", kind.label, kind.icon)
    assert (row.status, row.status_label, row.status_icon) == (status, info.label, info.icon)
    assert row.tone == info.tone
    assert row.tone in set(Tone)
    assert (row.owner_id, row.owner_name) == (scene.owners[1].pk, scene.owners[1].display_name)
    assert (row.initiative_name, row.plan_name) == (scene.initiatives[0].name, scene.plans[1].name)
    assert (row.title, row.error, row.repo, row.origin) == ("Ship it", "Error: no", "example/site", "cli")
    assert row.url.startswith(f"/w/{scene.tenant.slug}/")
    assert str(session.pk) in row.url


@each_kind
def test_a_stranger_hydrates_nothing(kind: SessionKind, scene: Scene) -> None:
    session = scene.add(kind, status=min(kind.statuses))
    assert kind.hydrate(uuid.uuid4(), [session.pk]) == {}


def test_a_key_or_model_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered already"):
        register(get_kind("toy"))
    other = type("OtherKind", (ToyKind,), {"key": "other"})
    with pytest.raises(ValueError, match="Toy is registered already"):
        register(other())
    with pytest.raises(TypeError, match="not a SessionKind"):
        register(ToyKind)
