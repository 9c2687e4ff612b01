"""Chats of the demo that nobody has ended: some live, some that wait for a person, some gone quiet."""

from __future__ import annotations

from chats.models import ChatMode
from config.demo.chat_beats import Ask, ChatStory, Decide, FailTurn, Finish, Message, Reply, Request, Turn
from config.demo.script import Call, Edit, Say, Think
from sessions_app.kinds import Origin

__all__ = ["DAY", "HOUR", "OPEN_CHATS"]

HOUR, DAY = 60, 24 * 60

TIMEOUT_BEFORE = "client = PaymentClient(base_url=settings.PAYMENTS_URL)\n"
TIMEOUT_AFTER = "client = PaymentClient(base_url=settings.PAYMENTS_URL, timeout=Timeout(connect=2, read=8))\n"

OPEN_CHATS = (
    ChatStory(
        key="slow-checkout",
        title="Why is checkout slow at noon?",
        who="owner",
        serves="checkout",
        repo="fernway/shop",
        branch="chk-440-timeouts",
        minutes_ago=21,
        beats=(
            Turn(
                "Between 12 and 13 checkout takes 9 seconds. Nothing in the deploys. Where would you look?",
                (
                    Think("Noon is when the bank's batch runs. Which calls wait without a limit?"),
                    Call(
                        "Bash",
                        {"command": "bin/traces slow --route /checkout --between 12:00 13:00 --top 3"},
                        "p95 9.1 s   payments.authorise   8.4 s\n"
                        "p95 0.4 s   carts.load           0.2 s\n"
                        "p95 0.2 s   tax.quote            0.1 s",
                        seconds=6,
                    ),
                    Say(
                        "Nearly all of it is `payments.authorise`: its client has **no timeout**. While the "
                        "bank's batch runs, each request waits for its turn.\n\n"
                        "I would set 2 s to connect and 8 s to read, and show the customer a retry."
                    ),
                ),
                after=0.5,
            ),
            Turn(
                "Do the timeout, leave the retry to me.",
                (
                    Edit("shop/payments/client.py", TIMEOUT_BEFORE, TIMEOUT_AFTER),
                    Call("Bash", {"command": "pytest -q tests/payments"}, "38 passed in 4.10s", seconds=5),
                    Say("Done, with a test that a bank that never answers fails after eight seconds."),
                ),
                after=3,
            ),
            Message("Now show me who else uses a client without a timeout.", after=2),
            Reply(
                (
                    Think("PaymentClient was one of several. Search for every client that is built."),
                    Call("Grep", {"pattern": r"Client\(base_url", "path": "shop"}, None),
                )
            ),
        ),
    ),
    ChatStory(
        key="partition-math",
        title="How many partitions until 2030?",
        who="teammate",
        serves="partitions",
        repo="fernway/ledger",
        mode=ChatMode.ASK,
        profile="cloud",
        minutes_ago=4,
        beats=(
            Message(
                "A partition a month per currency: how many by 2030, and does the planner mind?", after=0.5
            ),
            Reply(
                (Think("Six currencies, 62 months left: 372. Planning time grows with those not pruned."),)
            ),
        ),
    ),
    ChatStory(
        key="rotate-key",
        title="Rotate the payments key in staging",
        who="owner",
        serves="webhooks",
        repo="fernway/infra",
        branch="rotate-payments-key",
        minutes_ago=17,
        beats=(
            Turn(
                "The payments key of staging is three months old. Rotate it.",
                (
                    Call(
                        "Bash",
                        {"command": "bin/secrets show staging payments"},
                        "age     92 days\nvalue   {{credential}}\nused by shop, ledger",
                    ),
                    Say(
                        "Two services use it. I make a second key, roll both, then revoke the first, "
                        "so that no request meets a revoked key."
                    ),
                ),
                after=0.3,
            ),
            Message("Good. Go on.", after=2),
            Reply((Call("Bash", {"command": "bin/secrets rotate staging payments --overlap 15m"}, None),)),
            Request("Run `bin/secrets rotate staging payments --overlap 15m`"),
        ),
    ),
    ChatStory(
        key="receipt-wording",
        title="Wording of the tax line on receipts",
        who="owner",
        serves="checkout",
        repo="fernway/shop",
        minutes_ago=13,
        beats=(
            Message("Add the tax rate to each line of the receipt, in all languages.", after=0.4),
            Reply(
                (
                    Call("Read", {"file_path": "shop/receipts/lines.html"}, "<td>{{ line.total }}</td>"),
                    Say("Swiss receipts show the rate per line, German ones a sum per rate at the end."),
                )
            ),
            Ask("Should every country get the rate per line, or only those that must have it?"),
        ),
    ),
    ChatStory(
        key="export-columns",
        title="Columns of the bookings export",
        who="teammate",
        serves="ledger",
        repo="fernway/ledger",
        minutes_ago=5 * HOUR,
        beats=(
            Turn(
                "Accounting wants the booking date in the export.",
                (Say("There are two: when it was booked and when it counts. The export has neither."),),
            ),
            Message("They say: the one on the invoice.", after=12),
            Reply((Say("The invoice shows the date when it counts."),)),
            Ask("May I rename the column `date` to `counts_at`? Two partners read it by name."),
        ),
    ),
    ChatStory(
        key="cache-hit-rate",
        title="Cache hit rate after the change of keys",
        who="owner",
        serves="cache",
        repo="fernway/build-tools",
        profile="cloud",
        origin=Origin.CLI.value,
        minutes_ago=26,
        beats=(
            Turn(
                "Compare yesterday's hit rate with last week's.",
                (
                    Call(
                        "Bash",
                        {"command": "bin/cache-stats --days 8 --by day"},
                        "Mon 41 %\nTue 43 %\nWed 40 %\nThu 44 %\nFri 42 %\nMon 71 %\nTue 78 %",
                        seconds=3,
                    ),
                    Say("From 42 % to **78 %**. The rest is mostly generated files that carry a date."),
                ),
                after=0.5,
            ),
            Turn(
                "Which ones?",
                (
                    Call("Bash", {"command": "bin/cache-stats misses --top 2"}, "licences.txt\nversion.py"),
                    Say("`licences.txt` and `version.py`. Without the date in them I expect 90 %."),
                ),
                after=2,
            ),
        ),
    ),
    ChatStory(
        key="cart-model",
        title="Explain the cart tables to me",
        who="teammate",
        serves="carts",
        repo="fernway/shop",
        mode=ChatMode.ASK,
        minutes_ago=11,
        beats=(
            Turn(
                "I am new here. Which tables make up a cart?",
                (
                    Call(
                        "Grep",
                        {"pattern": "class .*Cart", "path": "shop/carts/models.py"},
                        "Cart\nCartLine\nCartMerge",
                    ),
                    Say("`Cart` has `CartLine`s; `CartMerge` remembers which carts became one, and why."),
                ),
                after=0.5,
            ),
        ),
    ),
    ChatStory(
        key="flaky-sign-in",
        title="Flaky sign-in test in CI",
        who="owner",
        serves="builds",
        repo="fernway/shop",
        branch="fix-flaky-sign-in",
        origin=Origin.VSCODE.value,
        minutes_ago=3 * HOUR,
        beats=(
            Turn(
                "test_sign_in_by_link fails about once in thirty runs.",
                (
                    Think("Once in thirty smells of a clock at a full minute. The link lives ten minutes."),
                    Call(
                        "Bash",
                        {"command": "pytest tests/test_sign_in.py --count 60 -q"},
                        "2 failed, 58 passed in 71.02s\nE  AssertionError: 302 != 200",
                        seconds=71,
                        is_error=True,
                    ),
                    Edit(
                        "tests/test_sign_in.py",
                        "link = make_link(user)\nassert open_now(link).status_code == 200\n",
                        "link = make_link(user, now=NOON)\nassert open_at(NOON, link).status_code == 200\n",
                    ),
                    Call(
                        "Bash",
                        {"command": "pytest tests/test_sign_in.py --count 60 -q"},
                        "60 passed in 70.40s",
                        seconds=70,
                    ),
                    Say("The test read the clock twice, at times across a full minute. Now once."),
                ),
            ),
        ),
    ),
    ChatStory(
        key="dark-theme",
        title="Dark theme for the back office",
        who="teammate",
        repo="fernway/back-office",
        minutes_ago=26 * HOUR,
        beats=(
            Turn(
                "Can the back office follow the system's theme?",
                (Say("Yes: 41 colours are literals today. With `light-dark()` tokens it is about a day."),),
            ),
            Turn("Not now, but write that down.", (Say("Noted in `docs/theme.md`."),), after=9),
        ),
    ),
    ChatStory(
        key="vat-id",
        title="Where do we check VAT numbers?",
        who="owner",
        repo="fernway/shop",
        mode=ChatMode.ASK,
        minutes_ago=2 * DAY + 40,
        beats=(
            Turn(
                "Do we check a VAT number's format only, or ask the tax office?",
                (Say("Format only, in `shop/tax/vat.py`. The call to the tax office was removed in March."),),
            ),
        ),
    ),
    ChatStory(
        key="load-test",
        title="Load test for the new cart service",
        who="owner",
        serves="carts",
        repo="fernway/shop",
        profile="cloud",
        minutes_ago=52,
        beats=(
            Turn(
                "Write a load test: 200 carts a second.",
                (Say("One moment: how long should it hold the load?"),),
            ),
            Message("Ten minutes.", after=4),
            Reply(
                (
                    Call(
                        "Bash",
                        {"command": "k6 run load/carts.js"},
                        "context deadline exceeded",
                        9,
                        is_error=True,
                    ),
                )
            ),
            FailTurn("The model did not answer: 529 overloaded after 5 attempts\nrequest id req_011CVb"),
        ),
    ),
    ChatStory(
        key="staging-restart",
        title="Restart the staging workers",
        who="teammate",
        repo="fernway/infra",
        origin=Origin.DESKTOP.value,
        minutes_ago=8 * HOUR,
        beats=(
            Message("Workers in staging hang. Restart them."),
            Request("Run `kubectl rollout restart deployment/workers -n staging`"),
            Decide(is_approved=True, comment="Staging only."),
            Reply((Say("All four are new, and the queue is empty again."),)),
            Finish(),
        ),
    ),
)
