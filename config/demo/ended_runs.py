"""Runs of the demo that are over, by whatever end."""

from __future__ import annotations

from config.demo.open_runs import DAY, HOUR
from config.demo.run_beats import (
    Ask,
    Begin,
    Block,
    Cancel,
    Complete,
    Decide,
    Do,
    Fail,
    Pass,
    Resume,
    Retry,
    RunStory,
    Work,
)
from config.demo.script import Call
from sessions_app.kinds import Origin

__all__ = ["ENDED_RUNS"]

TEST_CARTS = (
    Call(
        "Bash",
        {"command": "make test"},
        "........................................................ [ 62%]\n"
        "..................................                       [100%]\n"
        "412 passed in 41.80s",
        seconds=44,
    ),
)

ENDED_RUNS = (
    RunStory(
        key="guest-carts",
        title="Keep guest carts for 30 days (CHK-398)",
        flow="ship",
        who="owner",
        serves="carts",
        repo="fernway/shop",
        branch="chk-398-guest-carts",
        parameters={"ticket": "CHK-398", "environment": "production"},
        minutes_ago=2 * DAY + 5 * HOUR,
        beats=(
            Begin(),
            Do(result={"files": 3, "risk": "low"}, minutes=3),
            Do(result={"commits": 2}, minutes=14),
            Fail(
                "AssertionError: expected the cart to be kept for 30 days, it was deleted after 29\n"
                "tests/carts/test_expiry.py:31: AssertionError\n1 failed, 411 passed in 40.11s",
                minutes=2,
            ),
            Retry("owner", after=9),
            Do(result={"passed": 412, "failed": 0}, lines=TEST_CARTS),
            Ask(),
            Decide("approve", "teammate", "Good. The test names say it all."),
            Do(result={"verdict": "approve", "remarks": 0}, minutes=4),
            Ask(),
            Decide("approve", "owner"),
            Do(result={"release": "shop-2.41.0", "environment": "production"}, minutes=7),
            Complete(),
        ),
    ),
    RunStory(
        key="update-payments",
        title="Dependency update: payments",
        flow="update",
        who="teammate",
        serves="builds",
        repo="fernway/payments",
        branch="weekly-update",
        origin=Origin.SCHEDULE.value,
        profile="cloud",
        parameters={"repo": "fernway/payments"},
        minutes_ago=3 * DAY,
        beats=(
            Begin(),
            Do(result={"outdated": 9, "minor": 9, "major": 0}, minutes=2),
            Do(result={"updated": 9}, minutes=6),
            Do(result={"passed": 188, "failed": 0}, minutes=3),
            Do(result={"pull_request": "fernway/payments#1204"}),
            Complete(),
        ),
    ),
    RunStory(
        key="update-ledger",
        title="Dependency update: ledger",
        flow="update",
        who="owner",
        serves="ledger",
        repo="fernway/ledger",
        origin=Origin.SCHEDULE.value,
        profile="cloud",
        parameters={"repo": "fernway/ledger", "include_major": True},
        minutes_ago=3 * DAY + 20,
        beats=(
            Begin(),
            Do(result={"outdated": 0, "minor": 0, "major": 0}, minutes=1),
            Pass("nothing is outdated"),
            Pass("nothing was changed"),
            Pass("steps.test.passed does not hold"),
            Complete(),
        ),
    ),
    RunStory(
        key="dual-writes",
        title="Write bookings to both ledgers (LED-201)",
        flow="ship",
        who="owner",
        serves="partitions",
        repo="fernway/ledger",
        branch="led-201-dual-writes",
        parameters={"ticket": "LED-201"},
        minutes_ago=4 * DAY + 3 * HOUR,
        beats=(
            Begin(),
            Do(result={"files": 4, "risk": "medium"}, minutes=6),
            Do(result={"commits": 3}, minutes=40),
            Do(result={"passed": 897, "failed": 0}, minutes=9),
            Ask(),
            Decide("approve", "owner", "Behind the flag, as agreed."),
            Do(result={"verdict": "approve", "remarks": 1}, minutes=5),
            Ask(),
            Decide("skip", "owner", "Goes out with tonight's release train."),
        ),
    ),
    RunStory(
        key="slow-search",
        title="Index the order search (CHK-420)",
        flow="ship",
        who="teammate",
        serves="checkout",
        repo="fernway/shop",
        branch="chk-420-order-search",
        parameters={"ticket": "CHK-420"},
        minutes_ago=9 * HOUR,
        beats=(
            Begin(),
            Do(result={"files": 2, "risk": "low"}, minutes=4),
            Do(result={"commits": 1}, minutes=12),
            Fail(
                "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout\n"
                "CONTEXT: while creating index shop_order_search on table shop_order\n"
                "HINT: build it concurrently, outside a transaction.",
                lines=(
                    Call(
                        "Bash",
                        {"command": "manage.py migrate shop 0088"},
                        "Applying shop.0088_order_search...\n"
                        "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout",
                        seconds=61,
                        is_error=True,
                    ),
                ),
            ),
        ),
    ),
    RunStory(
        key="gateway-logs",
        title="Incident review: slow checkout on Tuesday",
        flow="incident",
        who="owner",
        repo="fernway/runbooks",
        parameters={"service": "checkout"},
        minutes_ago=DAY + 2 * HOUR,
        beats=(
            Begin(),
            Fail("bin/logs: no logs of “checkout” before 08:00 - they are kept for 24 hours only", minutes=3),
        ),
    ),
    RunStory(
        key="drop-old-table",
        title="Drop the old bookings table (LED-211)",
        flow="ship",
        who="teammate",
        serves="partitions",
        repo="fernway/ledger",
        branch="led-211-drop",
        parameters={"ticket": "LED-211", "environment": "production"},
        minutes_ago=30 * HOUR,
        beats=(
            Begin(),
            Do(result={"files": 2, "risk": "high"}, minutes=3),
            Do(result={"commits": 1}, minutes=6),
            Do(result={"passed": 903, "failed": 0}, minutes=9),
            Ask(),
            Decide(
                "reject",
                "owner",
                "Reads are not switched yet. First LED-207, for a week.",
                after=22,
            ),
        ),
    ),
    RunStory(
        key="runner-size",
        title="Try bigger runners for the nightly build (BLD-70)",
        flow="ship",
        who="owner",
        serves="builds",
        repo="fernway/build-tools",
        parameters={"ticket": "BLD-70"},
        minutes_ago=50 * HOUR,
        beats=(
            Begin(),
            Do(result={"files": 1, "risk": "low"}, minutes=2),
            Block("The profile “Cloud runner” has no size above 8 cores", minutes=1),
            Resume("owner", after=30),
            Work(),
            Cancel("owner", after=12),
        ),
    ),
)
