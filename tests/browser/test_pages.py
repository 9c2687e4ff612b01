"""Every page in a browser: no accessibility violation, no policy violation, nothing beside the screen."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from agents.models import Profile, Skill
from audit.entries import EntryKind, NewEntry
from audit.models import Surfacing, Transcript
from audit.services import append_entries
from audit.sweeps import claim_sweep, run_sweep, start_sweep
from config.demo.stage import OWNER
from flows.models import Artifact, Flow, FlowRun, FlowTrigger
from flows.triggers import create_trigger
from intake.models import FileState, StagedFile
from intake.staged_import import import_staged
from sessions_app.registry import get_kind
from tasks.models import BackgroundTask
from tests.browser.visits import PHONE, TABLET, WIDE, Visits, overflow, violations
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.flows import FlowFactory, FlowStepFactory
from tests.intake.claude_records import PRESENT_DAY
from tests.intake.staged_files import stage
from tests.test_seats import ROUTES
from workspace.actors import SYSTEM, Actor
from workspace.models import Initiative, Membership, Plan, Tenant, User
from workspace.secrets import create_secret, rotate_secret
from workspace.services import create_sign_in_link, create_tenant
from workspace.tokens import create_token, revoke_token

pytestmark = pytest.mark.browser

#: One of everything that a transcript draws, with words that are longer than a phone is wide.
LONG = "averylongwordwithoutanyplacetobreak" * 6
MARKDOWN = f"""## Findings

- `{LONG}`
- see <https://example.com/{LONG}>

#### Details

| | a | b |
|-|---|---|
| x | {LONG} | 2 |

```python
@cache
def total(items: list[int]) -> int:  # sums
    return sum(items) + 0x10 if items else None
```

```diff
- old
+ new
```

> quoted **words**, ~~gone~~
"""
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entries() -> list[NewEntry]:
    def made(kind: EntryKind, name: str, **fields: Any) -> NewEntry:
        return NewEntry(kind=kind, native_id=name, occurred_at=AT, **fields)

    return [
        made(EntryKind.MESSAGE, "m1", role="user", text=MARKDOWN),
        made(EntryKind.THINKING, "t1", role="assistant", text="Hm.\n\n# Think"),
        made(EntryKind.MESSAGE, "m2", role="assistant", text=MARKDOWN, model="claude-opus-4-5"),
        made(
            EntryKind.TOOL_CALL,
            "c1",
            tool_name="Bash",
            call_id="c1",
            arguments={"command": LONG, "n": [1, {}]},
        ),
        made(EntryKind.TOOL_RESULT, "r1", call_id="c1", text="\n".join(f"{n} {LONG}" for n in range(60))),
        made(EntryKind.TOOL_CALL, "c2", tool_name=f"mcp__{LONG}", call_id="c2", arguments=None),
        made(EntryKind.TOOL_RESULT, "r2", call_id="c2", text="", is_error=True),
        made(EntryKind.FILE_EDIT, "e1", path=f"src/{LONG}.py", before="a\nb\n", after=f"a\n{LONG}\n"),
        made(EntryKind.CHECKPOINT, "k1", text="Deploy?"),
        made(EntryKind.APPROVAL, "a1", text="Approved"),
        made(EntryKind.STATUS, "s1", text=f"Step 1 {LONG}"),
        made(EntryKind.SYSTEM, "y1", text="Context was compacted"),
        made(EntryKind.ERROR, "x1", text=f"Error: {LONG}", is_error=True),
    ]


@pytest.fixture(scope="module", autouse=True)
def hard_chat(demo: Tenant, owner: User) -> None:
    """The transcript of a chat that has everything in it, and a workspace that has nothing."""
    chat = get_kind("chat").model._default_manager.filter(tenant_id=demo.pk, status="ended").first()
    append_entries(tenant_id=demo.pk, session=("chat", chat.pk), entries=entries())
    create_tenant(slug="empty", name="Nothing here", owner=owner)
    value = "kn0wn" + "-value-of-a-secret"
    create_secret(tenant_id=demo.pk, name="DEPLOY_KEY", value=value, note=LONG[:300], actor=SYSTEM)
    rotate_secret(tenant_id=demo.pk, name="DEPLOY_KEY", value=f"{value}-2", actor=Actor.member(owner))
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    said = [NewEntry(kind=EntryKind.MESSAGE, native_id="secret", occurred_at=AT, text=f"**{value}** {token}")]
    append_entries(tenant_id=demo.pk, session=("chat", chat.pk), entries=said)
    start_sweep(tenant_id=demo.pk, reason="DEPLOY_KEY was rotated", actor=Actor.member(owner))
    claimed = claim_sweep(demo.pk)
    assert claimed is not None
    run_sweep(claimed)
    stage_files(Membership.objects.get(tenant=demo, user=owner))


def stage_files(member: Membership) -> None:
    """Files in each state, one of them imported with problems, under names that are too long."""
    lines = PRESENT_DAY.read_bytes().splitlines(keepends=True)
    broken = b"".join([*lines[:2], *[b"no record\n"] * 6, *lines[2:]])
    upload = stage(
        member, {f"{LONG}/{PRESENT_DAY.name}": broken, **{f"{LONG}{n}.jsonl": b"{}" for n in "abcd"}}
    )
    import_staged(tenant_id=upload.tenant_id, upload_id=upload.pk)
    states = (FileState.RECEIVING, FileState.WAITING, FileState.IMPORTING, FileState.DEAD)
    rest = StagedFile.objects.filter(upload=upload).exclude(report__outcome="imported").order_by("position")
    for file, state in zip(rest, states, strict=True):
        file.state, file.report, file.tries, file.progress_bytes = state, None, 2, 1
        file.reason = f"nothing was kept from here on: RuntimeError at {LONG}.py:12"
        file.save()


def session_page(kind: str, **fields: Any) -> Callable[[Tenant], str]:
    """The page of the demo's first session of this kind that has these values."""

    def address(demo: Tenant) -> str:
        session_kind = get_kind(kind)
        found = session_kind.model._default_manager.filter(tenant_id=demo.pk, **fields).order_by("pk")
        return session_kind.url(found[0], demo.slug)

    return address


def peek_page(kind: str, **fields: Any) -> Callable[[Tenant], str]:
    def address(demo: Tenant) -> str:
        found = get_kind(kind).model._default_manager.filter(tenant_id=demo.pk, **fields).order_by("pk")
        return reverse("sessions_app:session-peek", args=[demo.slug, kind, found[0].pk])

    return address


def entry_page(kind: EntryKind) -> Callable[[Tenant], str]:
    def address(demo: Tenant) -> str:
        transcript = Transcript.objects.filter(entries__native_id="m1", entries__text=MARKDOWN).get()
        seq = transcript.entries.filter(kind=kind).latest("seq").seq
        return reverse("audit:entry-detail", args=[demo.slug, "chat", transcript.session_id, seq])

    return address


def file_page(demo: Tenant) -> str:
    file = StagedFile.objects.for_tenant(demo.pk).get(state=FileState.DONE)
    return reverse("intake:file-detail", args=[demo.slug, file.pk])


def several_at_once(demo: Tenant) -> str:
    runs = FlowRun.objects.for_tenant(demo.pk).filter(status__in=["paused", "failed"]).order_by("pk")
    tasks = BackgroundTask.objects.for_tenant(demo.pk).filter(waiting_on="review").order_by("pk")
    keys = [f"flow_run:{run.pk}" for run in runs] + [f"background_task:{task.pk}" for task in tasks]
    return reverse("sessions_app:session-bulk", args=[demo.slug]) + "?" + urlencode({"s": keys}, doseq=True)


def checkpoint_page(demo: Tenant) -> str:
    run = FlowRun.objects.for_tenant(demo.pk).filter(status="paused", approver_ids=[]).earliest("pk")
    return reverse("flows:checkpoint-edit", args=[demo.slug, run.pk])


DIFF = f"--- a/shop/tax.py\n+++ b/shop/tax.py\n@@ -1,2 +1,2 @@\n rate = 19\n-{LONG}\n+rate = 20\n"


def artifact_page(name: str, text: str) -> Callable[[Tenant], str]:
    """The preview of a file of the demo's first run."""

    def address(demo: Tenant) -> str:
        run = FlowRun.objects.for_tenant(demo.pk).earliest("pk")
        artifact = Artifact.objects.create(
            tenant=demo,
            run=run,
            name=name,
            content_type="text/plain",
            size_bytes=len(text),
            text=text,
            is_scanned=True,
        )
        return reverse("flows:artifact-preview", args=[demo.slug, run.pk, artifact.pk])

    return address


def make_schedule(demo: Tenant) -> FlowTrigger:
    """One that is on and one that could not be used any more; the one that is on is returned."""
    flow = FlowFactory(tenant=demo, parameters=[{"name": LONG, "type": "boolean"}])
    owner = User.objects.get(email=OWNER)
    given: dict[str, Any] = {"tenant_id": demo.pk, "flow_id": flow.pk, "owner_id": owner.pk, "actor": SYSTEM}
    on, off = (create_trigger(**given, cron="*/5 9-17 * * 1-5", time_zone="Asia/Tokyo") for _ in range(2))
    FlowTrigger.objects.filter(pk=off.pk).update(paused_at=AT, note=f"It cannot be started: {LONG}")
    return on


def schedules(demo: Tenant) -> str:
    return reverse("flows:trigger-list", args=[demo.slug, make_schedule(demo).flow_id])


def no_schedules(demo: Tenant) -> str:
    return reverse("flows:trigger-list", args=[demo.slug, FlowFactory(tenant=demo).pk])


def schedule_page(demo: Tenant) -> str:
    trigger = make_schedule(demo)
    return reverse("flows:trigger-edit", args=[demo.slug, trigger.flow_id, trigger.pk])


def flow_page(name: str) -> Callable[[Tenant], str]:
    """The page of the demo's first flow."""
    return lambda demo: reverse(name, args=[demo.slug, Flow.objects.for_tenant(demo.pk).earliest("pk").pk])


def unique(text: str) -> str:
    return text + uuid.uuid4().hex


def hard_skill(demo: Tenant) -> Skill:
    """One that a flow uses, with words that are longer than a phone is wide."""
    skill: Skill = SkillFactory(
        tenant=demo, name=unique(LONG[:60]), description=LONG, body=f"make {LONG}\ntrue"
    )
    flow = FlowFactory(tenant=demo, name=unique(LONG[:150]), step_count=0)
    FlowStepFactory(flow=flow, skill=skill)
    return skill


def hard_profile(demo: Tenant) -> Profile:
    profile: Profile = ProfileFactory(
        tenant=demo,
        name=unique(LONG[:60]),
        model=LONG[:100],
        env_secret_names=["DEPLOY_KEY"],
        max_minutes=90_000,
    )
    return profile


def definition_page(name: str, make: Callable[[Tenant], Skill | Profile]) -> Callable[[Tenant], str]:
    return lambda demo: reverse(name, args=[demo.slug, make(demo).pk])


def definition_list(name: str, make: Callable[[Tenant], Skill | Profile]) -> Callable[[Tenant], str]:
    def address(demo: Tenant) -> str:
        make(demo)
        return reverse(name, args=[demo.slug])

    return address


def place_page(name: str, model: type[Initiative] | type[Plan]) -> Callable[[Tenant], str]:
    return lambda demo: reverse(name, args=[demo.slug, model.objects.for_tenant(demo.pk).earliest("pk").pk])


def plain(name: str, *args: str, query: str = "") -> Callable[[Tenant], str]:
    return lambda demo: reverse(name, args=args) + query


def rule_page(demo: Tenant) -> str:
    rule = Surfacing.objects.for_tenant(demo.pk).filter(is_known=False).exclude(digest="").earliest("pk")
    return reverse("audit:rule-detail", args=[demo.slug, rule.name])


def token_page(demo: Tenant) -> str:
    owner = Membership.objects.for_tenant(demo.pk).get(user__email=OWNER)
    scopes = ["flows:read", "flows:run", "runs:decide"]
    _, old = (
        create_token(tenant_id=demo.pk, owner=owner, name=name, scopes=scopes, actor=SYSTEM)[0]
        for name in ("Nightly import from the other house", "CI")
    )
    revoke_token(tenant_id=demo.pk, token_id=old.pk, actor=SYSTEM)
    return reverse("workspace:token-list", args=["demo"])


def sign_in_link(demo: Tenant) -> str:
    return reverse("workspace:sign-in-link", args=[create_sign_in_link(email=OWNER)])


LIST = "sessions_app:session-list"
PAGES: dict[str, tuple[str, Callable[[Tenant], str]]] = {
    "choose a workspace": ("workspace:home", plain("workspace:home")),
    "list": (LIST, plain(LIST, "demo")),
    "list, filtered": (LIST, plain(LIST, "demo", query="?owner=me&not_kind=chat&updated=30d&q=the")),
    "list, nothing yet": (LIST, plain(LIST, "empty")),
    "list, no match": (LIST, plain(LIST, "demo", query="?q=nosuchword")),
    "list, all quiet": (LIST, plain(LIST, "empty", query="?tab=failed")),
    "list, bad filter": (LIST, plain(LIST, "demo", query=f"?kind=nonsense&{LONG}=1")),
    "initiatives": ("sessions_app:initiative-list", plain("sessions_app:initiative-list", "demo")),
    "no initiatives": ("sessions_app:initiative-list", plain("sessions_app:initiative-list", "empty")),
    "initiative": (
        "sessions_app:initiative-detail",
        place_page("sessions_app:initiative-detail", Initiative),
    ),
    "plans": ("sessions_app:plan-list", plain("sessions_app:plan-list", "demo")),
    "plan": ("sessions_app:plan-detail", place_page("sessions_app:plan-detail", Plan)),
    "flows": ("flows:flow-list", plain("flows:flow-list", "demo")),
    "no flows": ("flows:flow-list", plain("flows:flow-list", "empty")),
    "flow": ("flows:flow-detail", flow_page("flows:flow-detail")),
    "new flow": ("flows:flow-create", plain("flows:flow-create", "empty")),
    "edit a flow": ("flows:flow-edit", flow_page("flows:flow-edit")),
    "skills": ("flows:skill-list", definition_list("flows:skill-list", hard_skill)),
    "no skills": ("flows:skill-list", plain("flows:skill-list", "empty")),
    "skill": ("flows:skill-detail", definition_page("flows:skill-detail", hard_skill)),
    "new skill": ("flows:skill-create", plain("flows:skill-create", "demo")),
    "edit a skill": ("flows:skill-edit", definition_page("flows:skill-edit", hard_skill)),
    "profiles": ("flows:profile-list", definition_list("flows:profile-list", hard_profile)),
    "no profiles": ("flows:profile-list", plain("flows:profile-list", "empty")),
    "profile": ("flows:profile-detail", definition_page("flows:profile-detail", hard_profile)),
    "new profile": ("flows:profile-create", plain("flows:profile-create", "demo")),
    "edit a profile": ("flows:profile-edit", definition_page("flows:profile-edit", hard_profile)),
    "run at a checkpoint": ("flows:run-detail", session_page("flow_run", status="paused")),
    "diff that a run made": ("flows:artifact-preview", artifact_page("change.diff", DIFF)),
    "text that a run made": ("flows:artifact-preview", artifact_page("notes.txt", LONG)),
    "run that failed": ("flows:run-detail", session_page("flow_run", status="failed")),
    "run that is complete": ("flows:run-detail", session_page("flow_run", status="completed")),
    "task in review": ("tasks:task-detail", session_page("background_task", waiting_on="review")),
    "task with sub-agents": ("tasks:task-detail", session_page("background_task", child_count__gt=0)),
    "task cut off": ("tasks:task-detail", session_page("background_task", status="unknown")),
    "chat with everything": ("chats:chat-detail", session_page("chat", status="ended")),
    "chat with a task": ("chats:chat-detail", session_page("chat", title__startswith="Wording of")),
    "entry: call": ("audit:entry-detail", entry_page(EntryKind.TOOL_CALL)),
    "entry: edit": ("audit:entry-detail", entry_page(EntryKind.FILE_EDIT)),
    "uploads": ("intake:upload-list", plain("intake:upload-list", "demo")),
    "no uploads": ("intake:upload-list", plain("intake:upload-list", "empty")),
    "uploaded file": ("intake:file-detail", file_page),
    "Command Center": ("sessions_app:command-center", plain("sessions_app:command-center", "demo")),
    "Command Center, nothing": ("sessions_app:command-center", plain("sessions_app:command-center", "empty")),
    "peek at a checkpoint": ("sessions_app:session-peek", peek_page("flow_run", status="paused")),
    "several at once": ("sessions_app:session-bulk", several_at_once),
    "edit and approve": ("flows:checkpoint-edit", checkpoint_page),
    "schedules": ("flows:trigger-list", schedules),
    "no schedules": ("flows:trigger-list", no_schedules),
    "schedule": ("flows:trigger-edit", schedule_page),
    "secrets": ("audit:secret-list", plain("audit:secret-list", "demo")),
    "no secrets": ("audit:secret-list", plain("audit:secret-list", "empty")),
    "secret": ("audit:secret-detail", plain("audit:secret-detail", "demo", "DEPLOY_KEY")),
    "rule": ("audit:rule-detail", rule_page),
    "sweeps": ("audit:sweep-list", plain("audit:sweep-list", "demo")),
    "no sweeps": ("audit:sweep-list", plain("audit:sweep-list", "empty")),
    "API tokens": ("workspace:token-list", token_page),
    "no API tokens": ("workspace:token-list", plain("workspace:token-list", "empty")),
    "nothing there": ("", lambda demo: "/nothing/here/"),
    "nothing to read": ("", plain("workspace:token-create", "demo")),
}
#: Those of somebody who is not signed in.
OUTSIDE: dict[str, tuple[str, Callable[[Tenant], str]]] = {
    "sign in": ("workspace:sign-in", plain("workspace:sign-in")),
    "sign in by link": ("workspace:sign-in-link", sign_in_link),
}


def look_at(page: Page) -> dict[str, Any]:
    """What is wrong with a page in both themes, wide and on a phone, with all that is folded unfolded.

    All three show the same elements: on the second only the colours are looked at, on the third what a
    narrow screen changes.
    """
    page.evaluate("() => document.querySelectorAll('details:not([name])').forEach(one => one.open = true)")
    seen: dict[str, Any] = {"light": violations(page), "beside a window": overflow(page)}
    page.emulate_media(color_scheme="dark")
    seen["dark"] = violations(page, "color-contrast")
    page.set_viewport_size(TABLET)  # type: ignore[arg-type]
    seen["beside a tablet"] = overflow(page)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    seen["dark, phone"] = violations(page, *OF_NARROW_SCREENS)
    seen["beside the screen"] = overflow(page)
    return seen


#: Rules of axe that a change of width alone can break; it leaves out the size of targets unless asked.
OF_NARROW_SCREENS = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")
FINE = {
    **{"light": [], "dark": [], "dark, phone": []},
    **{"beside a window": 0, "beside a tablet": 0, "beside the screen": 0},
}


#: Read by scripts, or saved as a file.
NO_PAGES = {
    "flows:artifact-download",
    "flows:artifact-image",
    "flows:flow-file",
    "sessions_app:empty-frame",
    "sessions_app:session-changes",
    "sessions_app:session-standing",
    "sessions_app:unread-sessions",
}


def test_every_route_that_is_a_page_is_looked_at():
    pages = {name for name, route in ROUTES.items() if route.method == "get"} - NO_PAGES
    assert pages <= {route for route, _ in (*PAGES.values(), *OUTSIDE.values())}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_fine(visits: Visits, demo: Tenant, owner: User, name: str):
    assert look_at(visits.open(PAGES[name][1](demo), owner)) == FINE


def test_a_token_that_was_just_made_is_fine(visits: Visits, owner: User):
    page = visits.open(reverse("workspace:token-list", args=["demo"]), owner)
    page.get_by_label("Name").fill("CI")
    page.get_by_label("Read flows, runs, their transcripts and artifacts").check()
    page.get_by_role("button", name="Make token").click()
    expect(page.locator("#new-token")).to_contain_text("sess_")
    assert look_at(page) == FINE


@pytest.mark.parametrize("name", OUTSIDE)
def test_page_before_signing_in_is_fine(visits: Visits, demo: Tenant, name: str):
    assert look_at(visits.open(OUTSIDE[name][1](demo))) == FINE


OPENERS = ", ".join(
    f"{one} > summary"
    for one in ("#facet-owner", "#facet-status", "#facet-updated", ".menu", ".row:nth-child(3) .evidence")
)


def test_each_filter_and_menu_is_fine_when_open(visits: Visits, demo: Tenant, owner: User):
    page = visits.open(reverse(LIST, args=["demo"]), owner)
    for opener in page.locator(OPENERS).all():
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        opener.click()
        expect(page.locator("details[name=popover][open]")).to_have_count(1)
        assert violations(page, within="details[name=popover][open]") == []
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert overflow(page) == 0


@pytest.mark.parametrize("name", ["flow", "skill", "profile", "schedules"])
def test_what_is_asked_before_something_is_done_fits_a_phone(
    visits: Visits, demo: Tenant, owner: User, name: str
):
    page = visits.open(PAGES[name][1](demo), owner, viewport=PHONE)
    page.locator(".confirm > summary").first.click()
    box = page.locator(".confirm[open] > .popover").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def middle(thing: Locator) -> float:
    box = thing.bounding_box()
    assert box is not None
    return box["y"] + box["height"] / 2


def test_on_a_phone_the_head_of_a_page_is_one_line_and_tabs_stand_clear_of_it(visits: Visits, owner: User):
    page = visits.open(reverse("flows:profile-list", args=["demo"]), owner, viewport=PHONE)
    at = middle(page.locator(".brand"))
    for thing in page.locator(".app-header > .menu, .app-header-end > *:visible").all():
        assert middle(thing) == pytest.approx(at, abs=4)
    head, tabs = page.locator(".app-header").bounding_box(), page.locator(".flow-tabs").bounding_box()
    assert head is not None
    assert tabs is not None
    assert tabs["y"] >= head["y"] + head["height"] + 12


def test_on_a_phone_what_a_session_waits_on_reads_as_one_text(visits: Visits, demo: Tenant, owner: User):
    waiting = session_page("flow_run", status="paused", title__startswith="Show tax per line")
    page = visits.open(waiting(demo), owner, viewport=PHONE)
    what, since = page.locator(".record-line .row-note > span").all()
    lines = what.evaluate("text => [...text.getClientRects()].map(line => line.bottom)")
    assert len(lines) > 1
    assert since.evaluate("text => text.getBoundingClientRect().bottom") >= lines[-1] - 2


def test_a_form_that_was_refused_is_fine(visits: Visits):
    page = visits.open("/sign-in/")
    page.get_by_label("Email").fill("nobody@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    assert look_at(page) == FINE
