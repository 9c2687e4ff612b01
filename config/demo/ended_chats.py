"""Chats of the demo that somebody has ended."""

from __future__ import annotations

from chats.models import ChatMode
from config.demo.chat_beats import ChatStory, End, Turn
from config.demo.open_chats import DAY, HOUR
from config.demo.script import Call, Edit, Say
from sessions_app.kinds import Origin

__all__ = ["ENDED_CHATS"]

ENDED_CHATS = (
    ChatStory(
        key="name-the-flag",
        title="A name for the dual-write flag",
        who="owner",
        serves="partitions",
        repo="fernway/ledger",
        mode=ChatMode.ASK,
        minutes_ago=4 * DAY + 5 * HOUR,
        beats=(
            Turn(
                "What should the flag for writing to both ledgers be called?",
                (Say("`ledger_writes_both`: it says what is true while it is on, and who owns it."),),
            ),
            End(),
        ),
    ),
    ChatStory(
        key="backfill-plan",
        title="Plan the backfill of 2021 to 2024",
        who="teammate",
        serves="partitions",
        repo="fernway/ledger",
        profile="cloud",
        minutes_ago=DAY + 7 * HOUR,
        beats=(
            Turn(
                "How do we backfill 310 million bookings without hurting the day's work?",
                (
                    Call(
                        "Bash",
                        {"command": "psql -c \"select pg_size_pretty(pg_relation_size('bookings_old'))\""},
                        " pg_size_pretty\n----------------\n 94 GB",
                    ),
                    Say(
                        "By month, newest first, 20,000 rows a batch, while the replica lags under 2 s:\n\n"
                        "1. copy, 2. compare sums per day, 3. mark the month as done.\n\n"
                        "About eleven nights."
                    ),
                ),
            ),
            Turn(
                "Write it as a script that can be stopped.",
                (
                    Edit(
                        "ledger/backfill.py",
                        "",
                        "BATCH = 20_000\n\n\n"
                        "def backfill(month, should_stop):\n"
                        '    """Copy one month; a second call goes on where this one stopped."""\n',
                    ),
                    Say("It can be stopped after any batch, and started again."),
                ),
                after=6,
            ),
            End(),
        ),
    ),
    ChatStory(
        key="onboarding",
        title="First day: get the shop running",
        who="teammate",
        repo="fernway/shop",
        origin=Origin.VSCODE.value,
        minutes_ago=6 * DAY,
        beats=(
            Turn(
                "make run says that port 5432 is taken.",
                (
                    Call("Bash", {"command": "ss -ltnp | grep 5432"}, "LISTEN 0 244 127.0.0.1:5432 postgres"),
                    Say("Another PostgreSQL runs on it. Set `DATABASE_PORT=5433` in `.env`."),
                ),
            ),
            End(after=25),
        ),
    ),
    ChatStory(
        key="status-page",
        title="Text for the status page",
        who="owner",
        serves="webhooks",
        minutes_ago=3 * HOUR + 30,
        beats=(
            Turn(
                "Two sentences for the status page about this morning.",
                (
                    Say(
                        "From 09:14 to 09:53 we refused webhook deliveries: a certificate had expired. "
                        "It is renewed; deliveries of that time are being sent again."
                    ),
                ),
            ),
            End(after=2),
        ),
    ),
)
