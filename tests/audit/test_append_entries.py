from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection

from audit.entries import EntryKind, NewEntry, NewRecord, RunFacts, Usage
from audit.models import AppendOnlyError, RawRecord, RedactionFinding, Transcript, TranscriptEntry
from audit.services import append_entries
from tests.factories.workspace import TenantFactory
from workspace.actors import SYSTEM
from workspace.services import set_secret

pytestmark = pytest.mark.django_db


def message(native_id: str, text: str = "hello", **fields: object) -> NewEntry:
    return NewEntry(kind=EntryKind.MESSAGE, native_id=native_id, role="user", text=text, **fields)


@pytest.fixture
def tenant():
    return TenantFactory()


@pytest.fixture
def session():
    return ("chat", uuid.uuid4())


def test_entries_are_numbered_from_1_in_the_order_given(tenant, session):
    first = append_entries(tenant_id=tenant.pk, session=session, entries=[message("a"), message("b")])
    second = append_entries(tenant_id=tenant.pk, session=session, entries=[message("c")])
    assert (first.added, first.first_seq, first.last_seq) == (2, 1, 2)
    assert (second.added, second.first_seq, second.last_seq) == (1, 3, 3)
    stored = TranscriptEntry.objects.for_tenant(tenant.pk).order_by("seq").values_list("seq", "native_id")
    assert list(stored) == [(1, "a"), (2, "b"), (3, "c")]


def test_the_same_entries_again_add_nothing(tenant, session):
    records = [NewRecord(ordinal=0, native_id="a", record_type="user", body={"text": "hello"})]
    entries = [message("a"), message("a"), message("b")]
    append_entries(tenant_id=tenant.pk, session=session, entries=entries, records=records)
    again = append_entries(tenant_id=tenant.pk, session=session, entries=entries, records=records)
    assert (again.added, again.records, again.redactions, again.first_seq) == (0, 0, 0, 0)
    assert TranscriptEntry.objects.count() == 2
    assert RawRecord.objects.count() == 1


def test_tokens_of_a_message_count_once_and_the_last_report_wins(tenant, session):
    early = Usage(message_id="m1", input_tokens=10, output_tokens=1)
    late = Usage(message_id="m1", input_tokens=10, output_tokens=42)
    other = Usage(message_id="m2", input_tokens=5, output_tokens=2, cache_read_tokens=7)
    append_entries(tenant_id=tenant.pk, session=session, entries=[], usages=[early, late, other])
    append_entries(tenant_id=tenant.pk, session=session, entries=[], usages=[late, other])
    transcript = Transcript.objects.get()
    assert (transcript.input_tokens, transcript.output_tokens, transcript.cache_read_tokens) == (15, 44, 7)


def test_a_known_secret_is_replaced_by_its_name_in_every_field(tenant, session):
    value = "kX" + uuid.uuid4().hex
    set_secret(tenant_id=tenant.pk, name="DEPLOY_KEY", value=value, actor=SYSTEM)
    entry = NewEntry(
        kind=EntryKind.FILE_EDIT,
        native_id="a",
        text=f"see {value}",
        tool_name=f"Bash {value}",
        path=f"/srv/{value}",
        before=f"old {value}",
        after=f"new {value}",
        patch=f"+{value}",
        arguments={f"k {value}": [value]},
        data={"note": value},
        model=value,
    )
    record = NewRecord(ordinal=0, native_id="a", record_type="user", body={value: {"deep": [f"x{value}y"]}})
    facts = RunFacts(cwd=f"/home/{value}", branch=f"fix/{value}", repo=f"acme/{value}")
    done = append_entries(
        tenant_id=tenant.pk, session=session, entries=[entry], records=[record], facts=facts
    )
    for table in (TranscriptEntry, Transcript, RawRecord, RedactionFinding):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT t::text FROM {table._meta.db_table} t")
            rows = [row[0] for row in cursor.fetchall()]
        assert rows
        assert all(value not in row for row in rows), table
    stored = TranscriptEntry.objects.get()
    assert stored.text == "see [DEPLOY_KEY]"
    assert stored.arguments == {"k [DEPLOY_KEY]": ["[DEPLOY_KEY]"]}
    assert done.redactions >= 8
    finding = RedactionFinding.objects.filter(field__contains="text").first()
    assert finding is not None
    assert (finding.name, finding.is_known) == ("DEPLOY_KEY", True)
    assert stored.text[finding.start : finding.end] == "[DEPLOY_KEY]"


def test_another_tenants_secret_is_no_needle_here(tenant, session):
    value = "kX" + uuid.uuid4().hex
    set_secret(tenant_id=TenantFactory().pk, name="THEIRS", value=value, actor=SYSTEM)
    append_entries(tenant_id=tenant.pk, session=session, entries=[message("a", f"see {value}")])
    assert "THEIRS" not in TranscriptEntry.objects.get().text


def test_what_postgresql_cannot_hold_is_made_visible(tenant, session):
    odd = NewEntry(
        kind=EntryKind.TOOL_CALL, native_id="a\x00", text="a\x00b\ud800", arguments={"k\x00": ["\udfff"]}
    )
    append_entries(tenant_id=tenant.pk, session=session, entries=[odd])
    stored = TranscriptEntry.objects.get()
    assert stored.text == "a␀b?"
    assert stored.arguments == {"k␀": ["?"]}


def test_long_ids_stay_apart(tenant, session):
    entries = [message("x" * 300 + "1"), message("x" * 300 + "2")]
    assert append_entries(tenant_id=tenant.pk, session=session, entries=entries).added == 2


def test_first_and_last_facts_are_kept(tenant, session):
    append_entries(
        tenant_id=tenant.pk, session=session, entries=[], facts=RunFacts(branch="main", model="m-1", cwd="/a")
    )
    append_entries(
        tenant_id=tenant.pk, session=session, entries=[], facts=RunFacts(branch="fix", model="", cwd="/b")
    )
    transcript = Transcript.objects.get()
    assert (transcript.branch_first, transcript.branch_last) == ("main", "fix")
    assert (transcript.model_first, transcript.model_last) == ("m-1", "m-1")
    assert (transcript.cwd_first, transcript.cwd_last) == ("/a", "/b")


def test_entries_cannot_be_changed_or_deleted(tenant, session):
    append_entries(tenant_id=tenant.pk, session=session, entries=[message("a")])
    entry = TranscriptEntry.objects.get()
    for change in (
        entry.save,
        entry.delete,
        TranscriptEntry.objects.all().delete,
        lambda: TranscriptEntry.objects.update(text="x"),
        lambda: TranscriptEntry.objects.bulk_update([entry], ["text"]),
    ):
        with pytest.raises(AppendOnlyError, match="append-only"):
            change()


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_neither_double_nor_lose(session):
    tenant = TenantFactory()
    barrier = threading.Barrier(2)

    def write(own: str) -> None:
        try:
            barrier.wait()
            entries = [message(f"shared-{n}") for n in range(40)] + [message(own)]
            append_entries(tenant_id=tenant.pk, session=session, entries=entries)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = TranscriptEntry.objects.order_by("seq")
    assert [entry.seq for entry in stored] == list(range(1, 43))
    assert len({entry.native_id for entry in stored}) == 42
