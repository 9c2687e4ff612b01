"""Background tasks of the demo that are over, by whatever end."""

from __future__ import annotations

from config.demo.open_chats import DAY, HOUR
from config.demo.open_tasks import search_lines
from config.demo.script import Call, Edit, Say, Think
from config.demo.task_beats import (
    Accept,
    Cancel,
    Complete,
    Decide,
    Dismiss,
    Fail,
    SendBack,
    Start,
    TaskStory,
    Wait,
    Work,
)
from sessions_app.kinds import Origin
from tasks.models import WaitingOn

__all__ = ["ENDED_TASKS"]

ENDED_TASKS = (
    TaskStory(
        key="n-plus-one",
        title="Remove the query per line from the order page",
        prompt="The order page runs one query per line. Make it a fixed number, and prove it.",
        who="owner",
        serves="checkout",
        repo="fernway/shop",
        branch="order-page-queries",
        profile="workstation",
        minutes_ago=DAY + 4 * HOUR,
        beats=(
            Start(),
            Work(
                (
                    Think("The template asks for line.article.supplier. Two joins, fetched with the order."),
                    Edit(
                        "shop/orders/queries.py",
                        "def lines_of(order):\n    return order.lines.all()\n",
                        "def lines_of(order):\n    return order.lines.select_related('article__supplier')\n",
                    ),
                    Call(
                        "Bash",
                        {"command": "pytest -q tests/orders -k queries"},
                        "1 failed: 11 != 5",
                        6,
                        is_error=True,
                    ),
                    Say("One more: the stock badge asks once per line too."),
                ),
                minutes=8,
            ),
            Complete("Five queries however many lines, down from 4 + 2 per line.", needs_review=True),
            SendBack("teammate", "The stock badge still asks per line on the printable page."),
            Work((Say("The printable page uses the same query function now."),), minutes=6),
            Complete("Five queries on both pages, with a test for each.", needs_review=True),
            Accept("teammate", "That is it."),
        ),
    ),
    TaskStory(
        key="broken-links",
        title="Check the links of the handbook",
        prompt="Report dead links with the page that has them.",
        who="teammate",
        repo="fernway/handbook",
        origin=Origin.SCHEDULE.value,
        minutes_ago=11 * HOUR,
        beats=(
            Start(),
            Work(
                (Call("Bash", {"command": "bin/check-links docs"}, "1,204 links, 3 dead", seconds=48),),
                minutes=1,
            ),
            Complete("Three of 1,204 links are dead; all three point to the old status page."),
        ),
    ),
    TaskStory(
        key="translate-mails",
        title="Translate the four new mails into Portuguese",
        prompt="Formal address. Keep placeholders as they are.",
        who="owner",
        serves="carts",
        repo="fernway/shop",
        minutes_ago=2 * DAY + 2 * HOUR,
        beats=(
            Start(),
            Work(
                (
                    Edit(
                        "locale/pt/mails.po",
                        'msgid "Your cart"\nmsgstr ""\n',
                        'msgid "Your cart"\nmsgstr "O seu carrinho"\n',
                    ),
                )
            ),
            Wait(WaitingOn.APPROVAL, "Run `bin/locale push pt` (changes what customers see)"),
            Decide("owner", is_approved=True),
            Work((Call("Bash", {"command": "bin/locale push pt"}, "4 mails, 38 texts"),)),
            Complete("Four mails, 38 texts, all placeholders kept."),
        ),
    ),
    TaskStory(
        key="image-size",
        title="Make the shop's image smaller",
        prompt="It is 2.1 GB. Below 800 MB without losing the fonts.",
        who="teammate",
        serves="builds",
        repo="fernway/shop",
        branch="slim-image",
        minutes_ago=3 * DAY + 6 * HOUR,
        beats=(
            Start(),
            Work(
                (
                    Edit("Dockerfile", "FROM python:3.13\n", "FROM python:3.13-slim AS build\n"),
                    Call(
                        "Bash",
                        {"command": "docker build -t shop:slim ."},
                        "naming to shop:slim, 742 MB",
                        seconds=210,
                    ),
                    Say("742 MB. The compiler stays in the build stage, the fonts are in."),
                )
            ),
            Complete("From 2.1 GB to 742 MB."),
        ),
    ),
    TaskStory(
        key="sandbox-lost",
        title="Regenerate the API client for partners",
        prompt="From the newest schema, in Python and TypeScript.",
        who="owner",
        serves="webhooks",
        repo="fernway/partner-sdk",
        minutes_ago=6 * HOUR,
        beats=(
            Start(),
            Work(
                (
                    Call(
                        "Bash",
                        {"command": "make generate"},
                        "openapi.yaml:1182: duplicate operationId “createDelivery”",
                        seconds=9,
                        is_error=True,
                    ),
                    Say("The schema names one operation twice, and which one is meant is not mine to guess."),
                )
            ),
            Fail("openapi.yaml:1182: duplicate operationId “createDelivery”\nmake: *** [generate] Error 1"),
        ),
    ),
    TaskStory(
        key="out-of-turns",
        title="Upgrade the mobile app to the new navigation",
        prompt="All 34 screens; the back button must do what it did.",
        who="teammate",
        repo="fernway/mobile",
        branch="navigation-7",
        minutes_ago=31 * HOUR,
        beats=(
            Start(),
            Work(
                search_lines("navigation.navigate", "34 screens", "Nineteen of 34 screens are done."),
                minutes=88,
            ),
            Fail("It stopped at its limit of 90 minutes with 15 of 34 screens to do"),
        ),
    ),
    TaskStory(
        key="wrong-branch",
        title="Tidy the imports of the ledger",
        prompt="One commit, no other change.",
        who="owner",
        repo="fernway/ledger",
        minutes_ago=53 * HOUR,
        beats=(
            Start(),
            Work((Say("218 files would change on this branch. Is it the right one?"),)),
            Cancel("owner"),
        ),
    ),
    TaskStory(
        key="logo-idea",
        title="Try three spellings of the empty cart's text",
        prompt="Short, friendly, no exclamation mark.",
        who="teammate",
        serves="carts",
        repo="fernway/shop",
        minutes_ago=4 * DAY,
        beats=(
            Start(),
            Work((Say("“Nothing in here yet.” “Your cart is empty.” “Room for something good.”"),)),
            Complete("Three texts, of 21, 19 and 24 characters.", needs_review=True),
            Dismiss("teammate", "We keep the old text."),
        ),
    ),
)
