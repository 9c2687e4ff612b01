"""Runs of the demo that are not over: at work, waiting for a worker or for a person."""

from __future__ import annotations

from config.demo.run_beats import (
    Ask,
    Begin,
    Block,
    Decide,
    Do,
    Interrupt,
    RunStory,
    Work,
)
from config.demo.script import Call, Edit, Say, Think
from sessions_app.kinds import Origin

__all__ = ["OPEN_RUNS"]

HOUR, DAY = 60, 24 * 60

MERGE_BEFORE = """def merge_carts(visitor, customer):
    customer.lines = visitor.lines
    customer.save()
"""
MERGE_AFTER = """def merge_carts(visitor, customer):
    \"\"\"Add the visitor's lines to the customer's; the larger quantity of the same article wins.\"\"\"
    by_article = {line.article_id: line for line in customer.lines}
    for line in visitor.lines:
        known = by_article.get(line.article_id)
        if known is None:
            customer.add(line)
        else:
            known.quantity = max(known.quantity, line.quantity)
    customer.save()
"""

SURVEY_CARTS = Do(
    result={"files": 6, "risk": "low", "open_questions": []},
    lines=(
        Think("Sign-in replaces the cart. I want to see who calls merge_carts before I judge that."),
        Call(
            "Grep",
            {"pattern": "merge_carts", "path": "shop"},
            "shop/carts/merge.py:1:def merge_carts(visitor, customer):\n"
            "shop/accounts/sign_in.py:48:    merge_carts(visitor_cart, customer.cart)\n"
            "tests/carts/test_merge.py:9:    merge_carts(visitor, customer)",
        ),
        Call("Read", {"file_path": "shop/carts/merge.py"}, MERGE_BEFORE, seconds=0.2),
        Say(
            "`merge_carts` **replaces** the customer's lines with the visitor's, so whoever had a cart on "
            "another device loses it. One caller, one test, no schema change needed."
        ),
    ),
    minutes=1,
)

IMPLEMENT_CARTS = Do(
    result={"commits": 2, "files": ["shop/carts/merge.py", "tests/carts/test_merge.py"]},
    lines=(
        Edit("shop/carts/merge.py", MERGE_BEFORE, MERGE_AFTER),
        Edit(
            "tests/carts/test_merge.py",
            "",
            "def test_the_larger_quantity_of_an_article_wins(visitor, customer):\n"
            "    visitor.add(article=7, quantity=1)\n"
            "    customer.add(article=7, quantity=3)\n"
            "    merge_carts(visitor, customer)\n"
            "    assert customer.quantity_of(7) == 3\n",
        ),
        Say("Both carts survive sign-in now. The same article keeps its larger quantity."),
    ),
    minutes=2,
)

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

OPEN_RUNS = (
    RunStory(
        key="keep-carts",
        title="Keep both carts at sign-in (CHK-412)",
        flow="ship",
        who="owner",
        serves="carts",
        repo="fernway/shop",
        branch="chk-412-merge-carts",
        parameters={"ticket": "CHK-412"},
        minutes_ago=19,
        beats=(
            Begin(),
            SURVEY_CARTS,
            IMPLEMENT_CARTS,
            Work(lines=(Call("Bash", {"command": "make test"}, None),)),
        ),
    ),
    RunStory(
        key="webhook-backoff",
        title="Retry webhook deliveries with backoff (PAY-88)",
        flow="ship",
        who="owner",
        serves="webhooks",
        repo="fernway/payments",
        branch="pay-88-backoff",
        parameters={"ticket": "PAY-88", "environment": "production"},
        minutes_ago=74,
        beats=(
            Begin(),
            Do(
                result={
                    "files": 3,
                    "risk": "medium",
                    "open_questions": ["How late may an event be?"],
                },
                lines=(
                    Think("Three retries within a second: that hammers a partner that is down."),
                    Say("A failed delivery is retried at once, three times, then dropped."),
                ),
                minutes=4,
            ),
            Do(
                result={"commits": 1, "files": ["payments/webhooks/deliver.py"]},
                lines=(
                    Edit(
                        "payments/webhooks/deliver.py",
                        "RETRIES = 3\n\n\ndef delay_before(attempt):\n    return 0\n",
                        "RETRIES = 9\nBASE_SECONDS = 5\nCAP_SECONDS = 3600\n\n\n"
                        "def delay_before(attempt, jitter):\n"
                        '    """Seconds, doubling from 5 to an hour, with full jitter."""\n'
                        "    return jitter.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2**attempt))\n",
                    ),
                    Say("Nine attempts over four hours; the jitter keeps partners from being hit in step."),
                ),
                minutes=5,
            ),
            Do(result={"passed": 188, "failed": 0}, lines=TEST_CARTS, minutes=1),
            Ask(arguments={"branch": "pay-88-backoff", "files": 1, "lines_added": 9, "lines_removed": 3}),
        ),
    ),
    RunStory(
        key="webhook-outage",
        title="Incident review: webhook gateway, 41 minutes of lost events",
        flow="incident",
        who="teammate",
        repo="fernway/runbooks",
        branch="incident-2411",
        parameters={"service": "webhook-gateway", "hours": 4},
        minutes_ago=3 * HOUR,
        beats=(
            Begin(),
            Do(
                result={"lines": 18422, "errors": 1310},
                lines=(
                    Call(
                        "Bash",
                        {"command": "bin/logs --since 4h --service webhook-gateway | bin/count-by level"},
                        "ERROR  1310\nWARN   2204\nINFO  14908",
                        seconds=12,
                    ),
                ),
                minutes=2,
            ),
            Do(
                result={"page": "incidents/2411-webhook-gateway.md", "words": 640},
                lines=(
                    Think("The first error follows the certificate's end. Check that before saying it."),
                    Call(
                        "Bash",
                        {"command": "bin/probe-tls gateway"},
                        "Verify return code: 10 (certificate has expired)",
                    ),
                    Say(
                        "### 09:12 The gateway's certificate expires\n"
                        "09:14 First refused delivery. 09:31 A partner calls. 09:53 New certificate.\n\n"
                        "1,310 deliveries were refused, not queued. **Why it lasted 41 minutes:** the alert "
                        "went to a mailbox that nobody reads since the team was split."
                    ),
                ),
                minutes=8,
            ),
            Ask(arguments={"page": "incidents/2411-webhook-gateway.md", "audience": "everyone"}),
        ),
    ),
    RunStory(
        key="update-mobile",
        title="Dependency update: mobile",
        flow="update",
        who="teammate",
        serves="builds",
        repo="fernway/mobile",
        origin=Origin.SCHEDULE.value,
        parameters={"repo": "fernway/mobile"},
        minutes_ago=2,
        beats=(),
    ),
    RunStory(
        key="tax-lines",
        title="Show tax per line on receipts (CHK-431)",
        flow="ship",
        who="owner",
        serves="checkout",
        repo="fernway/shop",
        parameters={"ticket": "CHK-431"},
        origin=Origin.API.value,
        minutes_ago=6,
        beats=(),
    ),
    RunStory(
        key="update-shop",
        title="Dependency update: shop",
        flow="update",
        who="owner",
        serves="builds",
        repo="fernway/shop",
        branch="weekly-update",
        origin=Origin.SCHEDULE.value,
        profile="cloud",
        parameters={"repo": "fernway/shop"},
        minutes_ago=11,
        beats=(
            Begin(),
            Do(result={"outdated": 14, "minor": 11, "major": 3}, minutes=1),
            Work(
                lines=(
                    Say("Eleven minor updates, in three groups, so that a broken one is easy to find."),
                    Call(
                        "Bash",
                        {"command": "uv lock --upgrade-package httpx --upgrade-package pydantic"},
                        "Resolved 118 packages",
                    ),
                )
            ),
        ),
    ),
    RunStory(
        key="ledger-partitions",
        title="Switch ledger reads to partitions (LED-207)",
        flow="ship",
        who="owner",
        serves="partitions",
        repo="fernway/ledger",
        branch="led-207-switch-reads",
        parameters={"ticket": "LED-207", "environment": "production"},
        minutes_ago=7 * HOUR,
        beats=(
            Begin(),
            Do(result={"files": 4, "risk": "high", "open_questions": []}, minutes=6),
            Do(result={"commits": 3}, minutes=22),
            Do(result={"passed": 903, "failed": 0}, minutes=9),
            Ask(),
            Decide("approve", "teammate", "40 million bookings compared: no difference.", after=35),
            Do(result={"verdict": "approve", "remarks": 2}, minutes=6),
            Ask(message="Deploy it to production? Reads go to the partitions from then on."),
            Decide("approve", "owner", "After the close of the day's books.", after=18),
            Block(
                "KUBE_CONFIG is not set for the profile “CI shell”: no way to production.\n"
                "Register the secret in the workspace, then resume."
            ),
        ),
    ),
    RunStory(
        key="cache-keys",
        title="Hash inputs, not timestamps, for cache keys (BLD-63)",
        flow="ship",
        who="teammate",
        serves="cache",
        repo="fernway/build-tools",
        branch="bld-63-content-keys",
        parameters={"ticket": "BLD-63"},
        minutes_ago=26 * HOUR,
        beats=(
            Begin(),
            Do(result={"files": 5, "risk": "medium"}, minutes=5),
            Do(result={"commits": 4}, minutes=31),
            Work(lines=(Call("Bash", {"command": "make test-all"}, None),)),
            Interrupt(
                "The worker was lost three times in this step (out of memory at 8 GiB).",
                minutes=48,
            ),
        ),
    ),
)
