"""Open pages hear of each change of a run once it has committed, and never of one that did not."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings
from django.db import transaction

from flows import services
from flows.models import RunStatus
from flows.moves import KIND
from sessions_app.kinds import IllegalMove
from sessions_app.live import stream_name
from tests.flows.test_moves import CALLS, LEGAL, run_ready_for
from tests.flows.worlds import World


def changes_of(world: World) -> list[str]:
    """The ids of the runs whose changes the tenant's stream holds, oldest first."""
    client = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    with client:
        changes = [change for _, change in client.xrange(stream_name(world.tenant.pk))]
    assert {change["kind"] for change in changes} <= {KIND}
    return [change["id"] for change in changes]


@pytest.mark.parametrize(("move", "status"), LEGAL)
def test_each_move_is_announced_on_commit(world, django_capture_on_commit_callbacks, move, status):
    run = run_ready_for(world, move, status)
    with django_capture_on_commit_callbacks(execute=True):
        CALLS[move](world, run)
        assert changes_of(world) == []
    assert set(changes_of(world)) == {str(run.pk)}


@pytest.mark.django_db(transaction=True)
def test_a_start_is_announced_after_its_commit():
    world = World()
    with transaction.atomic():
        run = world.start()
        assert changes_of(world) == []
    assert changes_of(world) == [str(run.pk)]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_announced_of_what_was_refused_or_rolled_back():
    world = World()
    run = world.run_that_is(RunStatus.COMPLETED)
    before = changes_of(world)
    with pytest.raises(IllegalMove):
        world.call(services.cancel_run, run)
    with transaction.atomic():
        world.start()
        transaction.set_rollback(True)
    assert changes_of(world) == before
