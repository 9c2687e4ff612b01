"""What repeated, older, withheld or odd deliveries leave in a transcript."""

from __future__ import annotations

import logging
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.entries import EntryKind, NewEntry, NewRecord, RunFacts, Usage
from audit.models import RawRecord, RedactionFinding, Transcript, TranscriptEntry
from audit.services import append_entries
from tasks.services import mark_unknown
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import TenantFactory
from workspace.actors import SYSTEM
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return TenantFactory()


@pytest.fixture
def session():
    return ("chat", uuid.uuid4())


@pytest.fixture
def value(tenant):
    value = "kX" + uuid.uuid4().hex
    set_secret(tenant_id=tenant.pk, name="DEPLOY_KEY", value=value, actor=SYSTEM)
    return value


def nested(depth: int, inside: object = "deep") -> object:
    for _ in range(depth):
        inside = [inside]
    return inside


def test_findings_of_records_are_kept_and_a_secret_of_an_entry_and_its_record_counts_once(
    tenant, session, value
):
    done = append_entries(
        tenant_id=tenant.pk,
        session=session,
        entries=[NewEntry(kind=EntryKind.MESSAGE, native_id="a:0", ordinal=0, text=value)],
        records=[
            NewRecord(ordinal=0, native_id="a", record_type="user", body={"text": value}),
            NewRecord(ordinal=1, native_id="b", record_type="note", body={"note": [value]}),
        ],
    )
    assert done.redactions == Transcript.objects.get().redaction_count == 2
    raw = RedactionFinding.objects.filter(entry=None).order_by("field")
    assert [(one.field, one.name) for one in raw] == [
        ("raw/0/text", "DEPLOY_KEY"),
        ("raw/1/note/0", "DEPLOY_KEY"),
    ]


def test_what_is_nested_too_deeply_is_withheld_counted_and_logged_without_a_quote(tenant, session, caplog):
    records = [
        NewRecord(ordinal=n, native_id="", record_type="odd", body=nested(depth, "inner text"))
        for n, depth in enumerate((250, 50_000))
    ]
    entry = NewEntry(kind=EntryKind.TOOL_CALL, native_id="a:0", arguments=nested(50_000, "inner text"))
    with caplog.at_level(logging.WARNING, logger="audit.redactors"):
        done = append_entries(tenant_id=tenant.pk, session=session, entries=[entry], records=records)
    assert (done.added, done.records, done.withheld, done.redactions) == (1, 2, 3, 0)
    assert TranscriptEntry.objects.get().text.startswith("[UNSCANNED: too deep,")
    assert all(row.body.startswith("[UNSCANNED: too deep,") for row in RawRecord.objects.all())
    assert "too deep" in caplog.text
    assert "inner text" not in caplog.text
    assert append_entries(tenant_id=tenant.pk, session=session, entries=[], records=records).records == 0


def test_an_append_that_brings_nothing_new_writes_nothing(tenant, session):
    delivery = {
        "entries": [NewEntry(kind=EntryKind.MESSAGE, native_id="a:0", text="hello")],
        "records": [NewRecord(ordinal=0, native_id="a", record_type="user", body={"text": "hello"})],
        "usages": [Usage(message_id="m", input_tokens=3)],
        "facts": RunFacts(branch="main", repo="acme/site"),
        "source": "claude_code",
        "native_session_id": "s1",
    }
    append_entries(tenant_id=tenant.pk, session=session, **delivery)
    with CaptureQueriesContext(connection) as captured:
        append_entries(tenant_id=tenant.pk, session=session, **delivery)
    statements = [query["sql"].split()[0] for query in captured.captured_queries]
    assert set(statements) <= {"SELECT", "SAVEPOINT", "RELEASE"}


def test_an_older_report_of_tokens_does_not_replace_a_fuller_one(tenant, session):
    full, older = (Usage(message_id="m", input_tokens=9, output_tokens=n) for n in (40, 2))
    for usages in ([full, older], [older]):
        append_entries(tenant_id=tenant.pk, session=session, entries=[], usages=usages)
        transcript = Transcript.objects.get()
        assert (transcript.input_tokens, transcript.output_tokens) == (9, 40)


def test_facts_that_are_not_the_latest_fill_only_what_is_empty(tenant, session):
    append_entries(tenant_id=tenant.pk, session=session, entries=[], facts=RunFacts(branch="new"))
    older = RunFacts(branch="old", repo="acme/site", cwd="/srv")
    append_entries(tenant_id=tenant.pk, session=session, entries=[], facts=older, is_latest=False)
    row = Transcript.objects.get()
    assert (row.branch_first, row.branch_last, row.repo) == ("new", "new", "acme/site")
    assert (row.cwd_first, row.cwd_last) == ("/srv", "/srv")


def test_the_rule_behind_a_status_is_redacted(tenant, value):
    task = BackgroundTaskFactory(tenant=tenant, running=True)
    task = mark_unknown(tenant_id=tenant.pk, task_id=task.pk, actor=SYSTEM, rule=f"It ended in {value}.")
    assert task.evidence[0]["text"] == "It ended in [DEPLOY_KEY]."
