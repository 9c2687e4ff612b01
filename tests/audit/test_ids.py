"""Ids of other tools hold no known secret, and things are found by them all the same."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from audit.entries import EntryKind, NewEntry, NewRecord, Usage
from audit.models import MessageUsage, RawRecord, Transcript, TranscriptEntry
from audit.services import append_entries, clean_ids
from audit.transcripts import find_call, raw_record_of
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


def test_a_known_secret_in_an_id_is_replaced_and_pairs_and_repeats_are_still_known(tenant, session, value):
    ids = {"call_id": f"call-{value}", "message_id": f"msg-{value}"}
    delivery = {
        "entries": [
            NewEntry(kind=EntryKind.TOOL_CALL, native_id=f"{value}:0", **ids),
            NewEntry(kind=EntryKind.TOOL_RESULT, native_id=f"{value}:1", **ids),
        ],
        "records": [NewRecord(ordinal=3, native_id=value, record_type=f"t {value}", body={})],
        "usages": [Usage(message_id=f"msg-{value}", model=value, input_tokens=1)],
        "native_session_id": f"session-{value}",
    }
    append_entries(tenant_id=tenant.pk, session=session, **delivery)
    assert append_entries(tenant_id=tenant.pk, session=session, **delivery).added == 0
    for table in (TranscriptEntry, Transcript, RawRecord, MessageUsage):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT t::text FROM {table._meta.db_table} t")
            rows = [row[0] for row in cursor.fetchall()]
        assert rows
        assert all(value not in row for row in rows), table
    for asked in (f"call-{value}", "call-[DEPLOY_KEY]"):
        call, result = find_call(tenant.pk, session, asked)
        assert call is not None
        assert result is not None
        assert (call.native_id, result.native_id) == ("[DEPLOY_KEY]:0", "[DEPLOY_KEY]:1")
    record = raw_record_of(call)
    assert record is not None
    assert record.native_id == "[DEPLOY_KEY]"


def test_cleaning_an_id_again_changes_nothing(tenant, value):
    given = [f"a-{value}", "x" * 300, "plain", "", f"{value}{'y' * 300}"]
    once = clean_ids(tenant_id=tenant.pk, values=given)
    assert once["plain"] == "plain"
    assert once[""] == ""
    assert all(len(one) <= 200 for one in once.values())
    assert clean_ids(tenant_id=tenant.pk, values=once.values()) == {one: one for one in once.values()}


def test_the_hash_of_a_long_id_means_nothing_to_another_tenant(tenant):
    long = "x" * 300
    ours, theirs = (clean_ids(tenant_id=one.pk, values=[long])[long] for one in (tenant, TenantFactory()))
    assert ours[:160] == theirs[:160]
    assert ours != theirs


def test_an_id_that_has_the_shape_of_a_credential_is_kept(tenant):
    token = "gh" + "p_" + uuid.uuid4().hex + "abcd"
    assert clean_ids(tenant_id=tenant.pk, values=[token]) == {token: token}


def test_an_entry_shows_its_own_record_where_two_files_count_alike(tenant, session):
    for name in ("first", "second"):
        append_entries(
            tenant_id=tenant.pk,
            session=session,
            entries=[NewEntry(kind=EntryKind.MESSAGE, native_id=f"{name}:0", ordinal=0)],
            records=[NewRecord(ordinal=0, native_id=name, record_type="user", body={"in": name})],
        )
    for entry in TranscriptEntry.objects.all():
        record = raw_record_of(entry)
        assert record is not None
        assert f"{record.native_id}:0" == entry.native_id


def test_an_entry_of_a_record_without_an_id_is_found_by_its_ordinal_alone(tenant, session):
    append_entries(
        tenant_id=tenant.pk,
        session=session,
        entries=[NewEntry(kind=EntryKind.MESSAGE, native_id="#4:0", ordinal=4)],
        records=[
            NewRecord(ordinal=4, native_id="other", record_type="user", body={"in": "other"}),
            NewRecord(ordinal=4, native_id="", record_type="user", body={"in": "own"}),
        ],
    )
    record = raw_record_of(TranscriptEntry.objects.get())
    assert record is not None
    assert record.body == {"in": "own"}
