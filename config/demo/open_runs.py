"""Runs of the demo that are not over.

The first ones are started and no more: the engine takes them up and does their work as soon as a worker is
there. The others have come some way; what is left of them is done in the same way.
"""

from __future__ import annotations

from config.demo.repository import BUNDLED
from config.demo.run_beats import Ask, Begin, Block, Do, Interrupt, RunStory, Work
from config.demo.script import Call, Edit
from sessions_app.kinds import Origin

__all__ = ["OPEN_RUNS"]

HOUR, DAY = 60, 24 * 60
REPO = "demo-shop"


def _added_by(ticket: str, path: str) -> str:
    """What the change of a ticket adds to a file."""
    patch = (BUNDLED / "patches" / f"{ticket}.patch").read_text()
    part = patch.partition(f"+++ b/{path}\n")[2].partition("diff --git")[0]
    return "".join(f"{line[1:]}\n" for line in part.splitlines() if line.startswith("+"))


TAX_BEFORE = (BUNDLED / "shop" / "tax.py").read_text()

LOOK = Do(
    result={"files": 7, "lines": 99},
    lines=(
        Call("shell", {"command": "git log --oneline -3"}, "3f1c2ab The shop as it is", seconds=0.1),
        Call("shell", {"command": "git ls-files '*.py' | wc -l"}, "7", seconds=0.1),
    ),
)

STARTED = (
    RunStory(
        key="keep-carts",
        title="Keep both carts at sign-in (CHK-412)",
        flow="change",
        who="owner",
        serves="carts",
        repo=REPO,
        parameters={"ticket": "CHK-412"},
        minutes_ago=0.4,
        beats=(),
    ),
    RunStory(
        key="round-tax",
        title="Round tax to the nearest cent (TAX-77)",
        flow="change",
        who="owner",
        serves="checkout",
        repo=REPO,
        parameters={"ticket": "TAX-77"},
        origin=Origin.API.value,
        minutes_ago=0.3,
        beats=(),
    ),
    RunStory(
        key="gateway-alerts",
        title="Incident page: whom the gateway's alerts reach",
        flow="page",
        who="owner",
        repo=REPO,
        parameters={"service": "gateway", "audience": "the team"},
        minutes_ago=0.2,
        beats=(),
    ),
    RunStory(
        key="nightly",
        title="Nightly checks: shop",
        flow="nightly",
        who="teammate",
        serves="builds",
        repo=REPO,
        origin=Origin.SCHEDULE.value,
        minutes_ago=0.1,
        beats=(),
    ),
    RunStory(
        key="explain",
        title="Explain the change of CHK-431",
        flow="explain",
        who="owner",
        serves="checkout",
        repo=REPO,
        parameters={"ticket": "CHK-431"},
        minutes_ago=0.1,
        beats=(),
    ),
)

UNDER_WAY = (
    RunStory(
        key="tax-lines",
        title="Show tax per line on receipts (CHK-431)",
        flow="change",
        who="teammate",
        serves="checkout",
        repo=REPO,
        branch="chk-431",
        parameters={"ticket": "CHK-431"},
        profile="shell",
        minutes_ago=74,
        beats=(
            Begin(),
            LOOK,
            Do(
                result={"files": ["checks/check_tax.py", "shop/tax.py"]},
                lines=(
                    Call(
                        "shell",
                        {"command": 'sh tools/change.sh "$PARAM_TICKET"'},
                        "Applied the change of CHK-431",
                    ),
                    Edit("shop/tax.py", TAX_BEFORE, TAX_BEFORE + _added_by("CHK-431", "shop/tax.py")),
                ),
            ),
            Do(
                result={"passed": 7},
                lines=(
                    Call(
                        "shell",
                        {"command": "python3 -m unittest discover -s checks -p 'check_*.py'"},
                        "Ran 7 tests in 0.004s\n\nOK",
                        seconds=0.4,
                    ),
                ),
            ),
            Ask(arguments={"ticket": "CHK-431", "files": ["checks/check_tax.py", "shop/tax.py"]}),
        ),
    ),
    RunStory(
        key="gateway-page",
        title="Incident page: webhook gateway, 41 minutes of lost events",
        flow="page",
        who="teammate",
        repo=REPO,
        parameters={"service": "gateway"},
        profile="shell",
        minutes_ago=3 * HOUR,
        beats=(
            Begin(),
            Do(
                result={"page": "out/timeline.md", "lines": 11},
                lines=(
                    Call(
                        "shell",
                        {"command": 'python3 tools/timeline.py "$PARAM_SERVICE"'},
                        "INFO      4\nERROR     3\nWARN      3\nout/timeline.md: 10 lines",
                        seconds=0.2,
                    ),
                ),
            ),
            Ask(arguments={"service": "gateway", "audience": "everyone in the company"}),
        ),
    ),
    RunStory(
        key="nightly-longer",
        title="Nightly checks: shop, a hundred rounds",
        flow="nightly",
        who="owner",
        serves="builds",
        repo=REPO,
        origin=Origin.SCHEDULE.value,
        profile="shell",
        parameters={"rounds": 100},
        minutes_ago=2,
        beats=(Begin(), LOOK, Work(arguments={"rounds": 100})),
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
            Block(
                "KUBE_CONFIG is not set for the profile “CI shell”: no way to production.\n"
                "Register the secret in the workspace, then resume.",
                minutes=9,
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

OPEN_RUNS = (*STARTED, *UNDER_WAY)
