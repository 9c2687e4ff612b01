"""Background tasks of the demo that are not over: queued, at work, or waiting."""

from __future__ import annotations

from config.demo.open_chats import HOUR
from config.demo.script import Call, Edit, Line, Say, Think
from config.demo.task_beats import (
    Answer,
    ChildStory,
    Complete,
    Fail,
    FanOut,
    Provision,
    Retry,
    Start,
    TaskStory,
    Wait,
    Work,
)
from sessions_app.kinds import Origin
from tasks.models import WaitingOn

__all__ = ["OPEN_TASKS", "search_lines"]


def search_lines(pattern: str, found: str, said: str) -> tuple[Line, ...]:
    """An agent that looks something up and says what it means."""
    return (Call("Grep", {"pattern": pattern}, found), Say(said))


CARD_AUDIT = FanOut(
    children=(
        ChildStory(
            title="Card numbers in shop",
            prompt="Find every place in fernway/shop that could print or log a card number.",
            beats=(
                Start(),
                Work(
                    search_lines("card_number", "shop/debug/views.py:88", "One place: the debug page."),
                    minutes=4,
                ),
                Complete("One place, `shop/debug/views.py:88`: the debug page prints the whole request."),
            ),
        ),
        ChildStory(
            title="Card numbers in payments",
            prompt="Find every place in fernway/payments that could print or log a card number.",
            beats=(
                Start(),
                Work(
                    search_lines(
                        "pan|card_number", "12 matches", "All twelve are masked before they are logged."
                    ),
                    minutes=7,
                ),
                Complete("None. All twelve places mask the number first."),
            ),
        ),
        ChildStory(
            title="Card numbers in the back office",
            prompt="Find every place in fernway/back-office that could print or log a card number.",
            beats=(
                Start(),
                Work(
                    search_lines(
                        "card", "exports/orders.py:31", "The order export has the last four digits only."
                    ),
                    minutes=9,
                ),
                Complete("None. The order export carries the last four digits, which is allowed."),
            ),
        ),
        ChildStory(
            title="Card numbers in mobile",
            prompt="Find every place in fernway/mobile that could print or log a card number.",
            beats=(
                Start(),
                Work(
                    (
                        Think("Crash reports are the likely place: they take the state of the whole screen."),
                        Call("Bash", {"command": "rg -n 'CardField' app/src --stats"}, None),
                    ),
                    minutes=6,
                ),
            ),
        ),
        ChildStory(
            title="Card numbers in old logs",
            prompt="Search the log archive of the last 24 months for what looks like a card number.",
            beats=(Provision("Mounting the log archive (read-only)", after=11),),
        ),
    )
)

OPEN_TASKS = (
    TaskStory(
        key="bisect-sign-in",
        title="Bisect the slow sign-in page",
        prompt="Sign-in went from 180 ms to 900 ms this month. Bisect it and name the commit.",
        who="owner",
        serves="checkout",
        repo="fernway/shop",
        minutes_ago=4,
        beats=(),
    ),
    TaskStory(
        key="release-notes",
        title="Draft the release notes for shop 2.42",
        prompt="From the merged pull requests since 2.41.0, for customers, without ticket numbers.",
        who="teammate",
        repo="fernway/shop",
        origin=Origin.API.value,
        minutes_ago=9,
        beats=(),
    ),
    TaskStory(
        key="profile-export",
        title="Profile the order export",
        prompt="The export of 100,000 orders takes 40 minutes. Where does the time go?",
        who="owner",
        serves="ledger",
        repo="fernway/ledger",
        minutes_ago=2,
        beats=(Provision("Restoring yesterday's copy of the database (2 of 5 GB)"),),
    ),
    TaskStory(
        key="invoice-templates",
        title="Port the invoice templates to the new renderer",
        prompt="Seven templates. Each must give the same PDF as before; show me the differences.",
        who="owner",
        serves="checkout",
        repo="fernway/shop",
        branch="invoice-renderer",
        profile="workstation",
        chat="receipt-wording",
        minutes_ago=9,
        beats=(
            Start(),
            Work(
                (
                    Think(
                        "Begin with the plainest of the seven, so that the renderer's own quirks show first."
                    ),
                    Edit(
                        "shop/invoices/plain.html",
                        "{% extends 'invoice_v1.html' %}\n{% block total %}{{ total }}{% endblock %}\n",
                        "{% extends 'invoice_v2.html' %}\n{% block total %}{{ total|money }}{% endblock %}\n",
                    ),
                    Call("Bash", {"command": "bin/compare-pdf plain"}, "identical (3 pages)", seconds=8),
                    Say("The first of seven is the same to the pixel."),
                ),
                minutes=1,
            ),
        ),
    ),
    TaskStory(
        key="old-readers",
        title="Find who still reads bookings_old",
        prompt="Search all repositories and the query log of the last week.",
        who="teammate",
        serves="partitions",
        repo="fernway/ledger",
        minutes_ago=16,
        beats=(
            Start(),
            Work(
                search_lines("bookings_old", "2 repositories", "Two in code; now the query log."), minutes=2
            ),
            Work((Call("Bash", {"command": "bin/query-log --days 7 --match bookings_old"}, None),)),
        ),
    ),
    TaskStory(
        key="backfill-2023",
        title="Backfill the partitions of 2023",
        prompt="Run ledger/backfill.py for the twelve months of 2023, newest first.",
        who="owner",
        serves="partitions",
        repo="fernway/ledger",
        origin=Origin.CLI.value,
        minutes_ago=3 * HOUR,
        beats=(
            Start(),
            Work(
                (
                    Call(
                        "Bash",
                        {"command": "python -m ledger.backfill 2023-12"},
                        "ssh: connection reset",
                        300,
                        is_error=True,
                    ),
                )
            ),
            Fail("The connection to the replica was reset while the third batch was copied"),
            Retry("owner", after=20),
            Start(),
            Work(
                (
                    Say("It goes on where it stopped: 2023-12, batch 3."),
                    Call("Bash", {"command": "python -m ledger.backfill 2023-12 --resume"}, None),
                )
            ),
        ),
    ),
    TaskStory(
        key="customer-ref",
        title="Rename customer_ref to customer_id everywhere",
        prompt="Database, API and exports. Keep what partners see.",
        who="owner",
        serves="ledger",
        repo="fernway/ledger",
        branch="rename-customer-ref",
        minutes_ago=2 * HOUR,
        beats=(
            Start(),
            Work(
                search_lines("customer_ref", "61 matches in 24 files", "Partners see it in two exports."),
                minutes=5,
            ),
            Wait(
                WaitingOn.INPUT,
                "Two exports show `customer_ref` to partners. Send both names for a while, or break it now?",
            ),
        ),
    ),
    TaskStory(
        key="money-type",
        title="Replace floats by Decimal in the tax code",
        prompt="Every amount in shop/tax becomes a Decimal; the tests must show the rounding.",
        who="teammate",
        serves="checkout",
        repo="fernway/shop",
        branch="tax-decimal",
        profile="workstation",
        minutes_ago=70,
        beats=(
            Start(),
            Work(
                (
                    Edit(
                        "shop/tax/rates.py",
                        "def tax(amount, rate):\n    return round(amount * rate, 2)\n",
                        "def tax(amount: Decimal, rate: Decimal) -> Decimal:\n"
                        "    return (amount * rate).quantize(CENT, rounding=ROUND_HALF_EVEN)\n",
                    ),
                    Edit(
                        "tests/tax/test_rates.py",
                        "assert tax(0.125, 1) == 0.12\n",
                        "assert tax(D('0.125'), D(1)) == D('0.12')\n",
                    ),
                    Call("Bash", {"command": "pytest -q tests/tax"}, "94 passed in 3.20s", seconds=4),
                ),
                minutes=11,
            ),
            Complete(
                "31 amounts in 9 files are Decimals. Three totals differ by a cent, all at the half cent; "
                "they are listed in the pull request.",
                needs_review=True,
            ),
        ),
    ),
    TaskStory(
        key="unused-flags",
        title="Remove feature flags that are on for everyone",
        prompt="On for all customers for 30 days or more: remove the flag and the dead branch.",
        who="owner",
        repo="fernway/shop",
        branch="remove-flags",
        minutes_ago=20 * HOUR,
        beats=(
            Start(),
            Work(
                search_lines("flag\\(", "37 flags", "Nine of 37 are on for all, for long enough."), minutes=14
            ),
            Wait(WaitingOn.INPUT, "May I remove `new_search` too? It is off for one partner."),
            Answer("owner", "Leave new_search alone.", after=30),
            Work((Say("Eight removed, `new_search` stays."),), minutes=9),
            Complete(
                "Eight flags and 412 lines are gone; `new_search` stays for one partner.", needs_review=True
            ),
        ),
    ),
    TaskStory(
        key="renew-staging",
        title="Renew the certificates of staging",
        prompt="All certificates of staging that end within 30 days.",
        who="owner",
        serves="webhooks",
        repo="fernway/infra",
        origin=Origin.SCHEDULE.value,
        minutes_ago=34,
        beats=(
            Start(),
            Work(
                (
                    Call(
                        "Bash",
                        {"command": "bin/certs --env staging --days 30"},
                        "gateway  12 days\nadmin    19 days",
                    ),
                ),
                minutes=1,
            ),
            Wait(WaitingOn.APPROVAL, "Run `certbot renew --cert-name gateway --cert-name admin`"),
        ),
    ),
    TaskStory(
        key="card-audit",
        title="Audit every place that could print a card number",
        prompt="Five places, one sub-agent each. Report only what is new.",
        who="owner",
        serves="checkout",
        profile="workstation",
        minutes_ago=24,
        beats=(
            Start(),
            Work((Say("Four repositories and the log archive: I give each to a sub-agent."),)),
            CARD_AUDIT,
        ),
    ),
)
