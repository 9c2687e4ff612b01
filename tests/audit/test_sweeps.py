"""A secret that is registered late is taken out of everything that was stored before it was known."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import sweeping, sweeps
from audit.entries import EntryKind, NewEntry, NewRecord, RunFacts
from audit.jobs import resume_sweeps, sweep
from audit.models import (
    AuditEntry,
    RedactionFinding,
    RedactionSweep,
    RenderedEntry,
    Surfacing,
    SweepStatus,
    Transcript,
    TranscriptEntry,
)
from audit.redaction import engine
from audit.rendering import rendered_texts
from audit.services import append_entries, record
from audit.sweep_targets import all_targets
from audit.sweeps import claim_sweep, run_sweep, start_sweep
from chats.models import Chat
from flows.models import Artifact, FlowRun, StepRun
from flows.services import approve_checkpoint
from sessions_app.registry import all_kinds
from tasks.models import BackgroundTask
from tests.announcements import read_announcements
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import TenantFactory
from workspace.actors import SYSTEM, Actor
from workspace.models import Tenant
from workspace.secrets import create_secret, rotate_secret

pytestmark = pytest.mark.django_db

EARLY, LATE = "kn0wn" + "-early-value", "kn0wn" + "-late-value"
RECORD = NewRecord(ordinal=1, native_id="r", record_type="user", body={"text": LATE})
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def tenant() -> Tenant:
    tenant = TenantFactory(slug="acme")
    create_secret(tenant_id=tenant.pk, name="EARLY", value=EARLY, actor=SYSTEM)
    RedactionSweep.objects.all().delete()
    return tenant


@pytest.fixture
def chat(tenant: Tenant) -> Chat:
    chat: Chat = ChatFactory(tenant=tenant, title=f"Use {LATE} here", error=f"no {LATE}")
    return chat


def say(chat: Chat, *entries: NewEntry, records: list[NewRecord] | None = None, **more: Any) -> None:
    append_entries(
        tenant_id=chat.tenant_id,
        session=("chat", chat.pk),
        entries=entries,
        records=records or [],
        **more,
    )


def message(text: str, **fields: Any) -> NewEntry:
    return NewEntry(kind=EntryKind.MESSAGE, native_id=uuid.uuid4().hex, occurred_at=AT, text=text, **fields)


def register(tenant: Tenant, name: str = "LATE", value: str = LATE) -> RedactionSweep:
    """A secret registered now; its sweep, done."""
    create_secret(tenant_id=tenant.pk, name=name, value=value, actor=SYSTEM)
    return do(tenant)


def do(tenant: Tenant) -> RedactionSweep:
    claimed = claim_sweep(tenant.pk)
    assert claimed is not None
    return run_sweep(claimed)


def changed(done: RedactionSweep) -> dict[str, int]:
    return {target["key"]: target["changed"] for target in done.targets if target["changed"]}


def everything(tenant: Tenant) -> str:
    """All text of the tenant, as a dump of the database would hold it."""
    rows = [target.rows(tenant.pk).values_list(*target.fields) for target in all_targets()]
    found = RedactionFinding.objects.for_tenant(tenant.pk).values_list("field", "name")
    return json.dumps([[*map(list, each)] for each in (*rows, found)], default=str)


def test_a_late_secret_leaves_no_stored_text(tenant, chat):
    say(
        chat,
        message(f"{LATE} and {EARLY}"),
        NewEntry(
            kind=EntryKind.TOOL_CALL,
            native_id=f"call-{LATE}",
            call_id=f"c-{LATE}",
            tool_name=f"run {LATE}",
            arguments={"command": f"login {LATE}", LATE: [{"deep": LATE.encode().hex()}]},
            data={"n": 7},
        ),
        NewEntry(
            kind=EntryKind.FILE_EDIT,
            native_id="e",
            path=f"/srv/{LATE}.env",
            before=f"A={EARLY}\nB={LATE}\n",
            after=f"B={LATE}",
            patch=f"-{LATE}",
        ),
        records=[NewRecord(ordinal=3, native_id="r", record_type="user", body={"text": f"x {LATE}"})],
        facts=RunFacts(cwd=f"/home/{LATE}", branch=LATE),
    )
    task = BackgroundTaskFactory(tenant=tenant, prompt=f"with {LATE}", result=LATE, title=LATE)
    run = FlowRunFactory(tenant=tenant, running=True, parameters={"token": LATE})
    StepRun.objects.filter(run=run, position=1).update(result={"out": LATE}, error=LATE)
    Artifact.objects.create(
        tenant=tenant,
        run=run,
        name=f"{LATE}.txt",
        content_type="text/plain",
        size_bytes=9,
        text=LATE,
        is_scanned=True,
    )
    record(
        tenant_id=tenant.pk,
        actor=Actor.agent(LATE),
        action="rename",
        object_kind="chat",
        object_id=chat.pk,
        object_title=LATE,
        changes={"title": (LATE, "x")},
    )
    assert LATE in everything(tenant)
    done = register(tenant)
    assert done.status == SweepStatus.COMPLETED
    text = everything(tenant)
    assert LATE not in text
    assert LATE.encode().hex() not in text
    assert {"chats.chat", "tasks.backgroundtask", "flows.steprun", "flows.artifact"} <= changed(done).keys()
    chat.refresh_from_db()
    assert chat.title == "Use [LATE] here"
    assert task.pk


def test_offsets_of_what_was_found_before_move_along(tenant, chat):
    say(chat, message(f"{LATE} then {EARLY} then {LATE} then {EARLY}"))
    register(tenant)
    (entry,) = TranscriptEntry.objects.all()
    assert entry.text == "[LATE] then [EARLY] then [LATE] then [EARLY]"
    found = RedactionFinding.objects.filter(entry=entry, field="/text").order_by("start")
    assert [(one.name, entry.text[one.start : one.end]) for one in found] == [
        ("LATE", "[LATE]"),
        ("EARLY", "[EARLY]"),
        ("LATE", "[LATE]"),
        ("EARLY", "[EARLY]"),
    ]


def test_findings_below_a_key_that_was_replaced_follow_it(tenant, chat):
    arguments = {f"x-{LATE}": {"inner": EARLY}, f"{EARLY}/{LATE}": 1}
    call = NewEntry(kind=EntryKind.TOOL_CALL, native_id="c", arguments=arguments)
    say(chat, call)
    register(tenant)
    (entry,) = TranscriptEntry.objects.all()
    assert entry.arguments == {"x-[LATE]": {"inner": "[EARLY]"}, "[EARLY]/[LATE]": 1}
    fields = set(RedactionFinding.objects.filter(entry=entry).values_list("field", "name"))
    assert fields == {
        ("/arguments/x-[LATE] (key)", "LATE"),
        ("/arguments/x-[LATE]/inner", "EARLY"),
        ("/arguments/[EARLY]~1[LATE] (key)", "EARLY"),
        ("/arguments/[EARLY]~1[LATE] (key)", "LATE"),
    }


def test_counts_and_the_reverse_index_know_what_a_sweep_found(tenant, chat):
    say(chat, message(f"{LATE} {LATE}"), records=[RECORD])
    assert not Chat.objects.get().has_redactions
    register(tenant)
    assert Transcript.objects.get().redaction_count == 2
    row = Surfacing.objects.get(name="LATE")
    assert (row.count, row.first_at, row.session_id) == (2, AT, chat.pk)
    assert Chat.objects.get().has_redactions


def test_html_is_made_anew(tenant, chat):
    say(chat, message(f"**{LATE}**"))
    rendered_texts(TranscriptEntry.objects.all())
    assert RenderedEntry.objects.count() == 1
    register(tenant)
    (html,) = rendered_texts(TranscriptEntry.objects.all()).values()
    assert html == "<p><strong>[LATE]</strong></p>\n"


def test_a_text_of_the_record_is_replaced_on_record(tenant):
    entry = record(
        tenant_id=tenant.pk,
        actor=SYSTEM,
        action="rename",
        object_kind="chat",
        object_id=uuid.uuid4(),
        object_title=f"old {LATE}",
    )
    register(tenant)
    assert AuditEntry.objects.get(pk=entry.pk).object_title == "old [LATE]"
    told = AuditEntry.objects.get(action="replace_text", object_id=entry.pk)
    before, after = told.changes["object_title"]
    assert before != after
    assert len(before) == len(after) == 64


def test_another_tenant_is_left_alone(tenant):
    other = ChatFactory(title=f"Theirs {LATE}")
    register(tenant)
    other.refresh_from_db()
    assert other.title == f"Theirs {LATE}"


def test_a_sweep_that_finds_nothing_says_so(tenant, chat):
    say(chat, message("nothing"))
    done = register(tenant, value="kn0wn" + "-nowhere-to-be-seen")
    assert (done.changed, changed(done)) == (0, {})
    assert done.done == done.total > 0


def test_a_second_sweep_changes_nothing(tenant, chat):
    say(chat, message(f"{LATE} {EARLY}"))
    register(tenant)
    text = everything(tenant)
    start_sweep(tenant_id=tenant.pk, reason="again", actor=SYSTEM)
    assert do(tenant).changed == 0
    assert RedactionFinding.objects.count() == text.count('"LATE"') + text.count('"EARLY"') - 2


def test_an_earlier_value_is_swept_with_the_new_one(tenant, chat):
    create_secret(tenant_id=tenant.pk, name="OTHER", value="kn0wn" + "-before-late", actor=SYSTEM)
    rotate_secret(tenant_id=tenant.pk, name="OTHER", value=LATE, actor=SYSTEM)
    do(tenant)
    chat.refresh_from_db()
    assert chat.title == "Use [OTHER] here"


def test_one_sweep_waits_at_most_and_one_runs(tenant):
    first = start_sweep(tenant_id=tenant.pk, reason="one", actor=SYSTEM)
    joined = start_sweep(tenant_id=tenant.pk, reason="two", actor=SYSTEM)
    assert (joined.pk, joined.reason) == (first.pk, "one; two")
    running = claim_sweep(tenant.pk)
    assert running is not None
    assert claim_sweep(tenant.pk) is None
    second = start_sweep(tenant_id=tenant.pk, reason="three", actor=SYSTEM)
    assert claim_sweep(tenant.pk) is None
    run_sweep(running)
    assert do(tenant).pk == second.pk


def test_a_sweep_goes_on_where_its_worker_died(tenant, monkeypatch):
    monkeypatch.setattr(sweeping, "BATCH", 2)
    chats = [ChatFactory(tenant=tenant, title=f"{n} {LATE}") for n in range(5)]
    create_secret(tenant_id=tenant.pk, name="LATE", value=LATE, actor=SYSTEM)
    batches = 0
    write = sweeps.write_batch

    def die(*args: Any, **kwargs: Any) -> int:
        nonlocal batches
        batches += 1
        if batches == 2:
            raise KeyboardInterrupt
        return write(*args, **kwargs)

    monkeypatch.setattr(sweeps, "write_batch", die)
    claimed = claim_sweep(tenant.pk)
    assert claimed is not None
    with pytest.raises(KeyboardInterrupt):
        run_sweep(claimed)
    assert Chat.objects.filter(title__contains=LATE).count() == 3
    assert claim_sweep(tenant.pk) is None
    RedactionSweep.objects.update(lease_expires_at=AT)
    done = do(tenant)
    (state,) = [target for target in done.targets if target["key"] == "chats.chat"]
    assert (state["done"], state["changed"]) == (5, 5)
    assert {Chat.objects.get(pk=one.pk).title for one in chats} == {f"{n} [LATE]" for n in range(5)}


def test_a_worker_that_was_taken_for_dead_writes_nothing_more(tenant, chat):
    create_secret(tenant_id=tenant.pk, name="LATE", value=LATE, actor=SYSTEM)
    slow = claim_sweep(tenant.pk)
    assert slow is not None
    RedactionSweep.objects.update(lease_expires_at=AT)
    assert claim_sweep(tenant.pk) is not None
    with pytest.raises(sweeps.SweepLost):
        run_sweep(slow)


def test_the_job_does_all_that_waits(tenant, chat):
    create_secret(tenant_id=tenant.pk, name="LATE", value=LATE, actor=SYSTEM)
    assert sweeps.open_tenants() == [tenant.pk]
    sweep(str(tenant.pk))
    assert RedactionSweep.objects.get().status == SweepStatus.COMPLETED
    assert sweeps.open_tenants() == []
    resume_sweeps()


def test_a_paused_run_can_still_be_decided_on_after_a_sweep(tenant):
    run = FlowRunFactory(tenant=tenant, paused=True)
    FlowRun.objects.filter(pk=run.pk).update(checkpoint_message=f"Deploy with {LATE}?")
    register(tenant)
    run.refresh_from_db()
    assert run.checkpoint_message == "Deploy with [LATE]?"
    decided = approve_checkpoint(
        tenant_id=tenant.pk, run_id=run.pk, actor=Actor.member(run.owner), seen_version=run.version
    )
    assert decided.status == "running"


def test_changed_sessions_are_announced(tenant, chat, django_capture_on_commit_callbacks):
    quiet = ChatFactory(tenant=tenant, title="nothing")
    say(chat, message(LATE))
    create_secret(tenant_id=tenant.pk, name="LATE", value=LATE, actor=SYSTEM)
    with django_capture_on_commit_callbacks(execute=True):
        do(tenant)
    heard = set(read_announcements(tenant))
    assert ("chat", str(chat.pk)) in heard
    assert ("chat", str(quiet.pk)) not in heard


def test_the_command_tries_and_then_does(tenant, chat):
    create_secret(tenant_id=tenant.pk, name="LATE", value=LATE, actor=SYSTEM)

    def run(*flags: str) -> dict[str, Any]:
        output = StringIO()
        call_command("sweep_redaction", "--workspace", "acme", "--json", *flags, stdout=output)
        answer: dict[str, Any] = json.loads(output.getvalue())
        return {target["key"]: target["held"] for target in answer["targets"] if target["held"]}

    assert run("--dry-run") == {"chats.chat": 1}
    assert LATE in Chat.objects.get().title
    assert run()["chats.chat"] == 1
    assert LATE not in Chat.objects.get().title
    with pytest.raises(CommandError, match="no workspace"):
        call_command("sweep_redaction", "--workspace", "nowhere")


def test_a_sweep_waits_for_those_who_may_not_know_the_secret_yet(tenant):
    start_sweep(tenant_id=tenant.pk, reason="now", actor=SYSTEM)
    claimed = claim_sweep(tenant.pk)
    assert claimed is not None
    assert claimed.started_at is not None
    claimed.started_at -= timedelta(days=1)
    assert not sweeps.has_older_writers(claimed)
    other = connection.copy()
    claimed.started_at += timedelta(days=2)
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_current_xact_id()")
            assert sweeps.has_older_writers(claimed)
            cursor.execute("ROLLBACK")
    finally:
        other.close()


def test_every_text_column_that_a_kind_names_is_walked():
    walked = {target.model: set(target.fields) for target in all_targets()}
    for kind in all_kinds():
        assert set(kind.text_fields) <= walked[kind.model]
    columns = {"title", "error", "prompt", "result", "source_call_id"}
    assert columns <= walked[BackgroundTask]


def test_big_tables_are_walked_in_the_order_of_an_index():
    for target in all_targets():
        if target.order == ("id",):
            continue
        heads = [
            [name.removeprefix("-") for name in getattr(index, "fields", ())]
            for index in (*target.model._meta.indexes, *target.model._meta.constraints)
        ]
        order = ["tenant", *(target.model._meta.get_field(name).name for name in target.order)]
        assert any(head == order[: len(head)] and len(head) >= 3 for head in heads if head), target.key


def too_large_a_text(tenant: Tenant, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an entry that was stored while it could be looked through; its path has the late secret."""
    say(chat, message(f"long {'x' * 200}", path=f"/srv/{LATE}"), message(f"short {LATE}"))
    create_secret(tenant_id=tenant.pk, name="LATE", value=LATE, actor=SYSTEM)
    monkeypatch.setattr(engine, "MAX_TEXT", 150)
    monkeypatch.setattr(engine, "_BATCH", 150)
    return str(TranscriptEntry.objects.get(text__startswith="long").pk)


def test_a_text_that_cannot_be_looked_through_is_named_and_all_others_are_done(tenant, chat, monkeypatch):
    entry_id = too_large_a_text(tenant, chat, monkeypatch)
    done = do(tenant)
    assert done.status == SweepStatus.FAILED
    assert done.error == "1 row could not be looked through: 1 of the transcript entries"
    [named] = [target for target in done.targets if target.get("unscanned")]
    assert (named["key"], named["unscanned_ids"]) == ("audit.transcriptentry", [entry_id])
    assert LATE not in everything(tenant)
    assert TranscriptEntry.objects.get(pk=entry_id).text == f"long {'x' * 200}"


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_the_command_lists_what_it_could_not_look_through_and_fails(tenant, chat, monkeypatch, flags):
    entry_id = too_large_a_text(tenant, chat, monkeypatch)
    output = StringIO()
    with pytest.raises(CommandError, match="1 row could not be looked through") as caught:
        call_command("sweep_redaction", "--workspace", "acme", *flags, stdout=output)
    assert caught.value.returncode == 1
    told = output.getvalue()
    assert f"  {entry_id} could not be looked through\n" in told
    assert "chats: 1 of 1 held a known secret" in told
    assert (LATE in everything(tenant)) == bool(flags)
