"""Where a credential surfaced is known as soon as it is recorded, and the session's row says so."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict

from audit.entries import EntryKind, NewEntry, NewRecord
from audit.models import RedactionFinding, Surfacing, Transcript
from audit.services import append_entries
from chats.models import Chat
from sessions_app.facets import list_facets
from sessions_app.filters import Filters
from sessions_app.kinds import Moment
from sessions_app.parameters import BadParameter, read_parameters
from sessions_app.queries import page
from tests.factories.chats import ChatFactory
from workspace.actors import SYSTEM
from workspace.secrets import create_secret, rotate_secret

pytestmark = pytest.mark.django_db

VALUE, NEXT = "kn0wn" + "-s3cret-value", "kn0wn" + "-s3cret-next"
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def chat() -> Chat:
    chat: Chat = ChatFactory(title="Deploys", origin="web")
    create_secret(tenant_id=chat.tenant_id, name="API_KEY", value=VALUE, actor=SYSTEM)
    return chat


def say(chat: Chat, *texts: str, at: datetime = NOON, records: list[NewRecord] | None = None) -> None:
    entries = [
        NewEntry(kind=EntryKind.MESSAGE, native_id=uuid.uuid4().hex, occurred_at=at, text=text)
        for text in texts
    ]
    append_entries(
        tenant_id=chat.tenant_id, session=("chat", chat.pk), entries=entries, records=records or []
    )


def surfaced(chat: Chat) -> dict[str, tuple[int, datetime, datetime]]:
    rows = Surfacing.objects.for_tenant(chat.tenant_id).filter(session_kind="chat", session_id=chat.pk)
    return {row.name: (row.count, row.first_at, row.last_at) for row in rows}


def test_each_value_has_one_row_a_session_with_its_first_and_last_time(chat):
    say(chat, f"{VALUE} {VALUE}", at=NOON)
    say(chat, VALUE, TOKEN, at=NOON + timedelta(hours=2))
    say(chat, VALUE, at=NOON - timedelta(days=1))
    (name, found), *others = sorted(surfaced(chat).items())
    assert (name, found) == ("API_KEY", (4, NOON - timedelta(days=1), NOON + timedelta(hours=2)))
    assert [found[0] for _, found in others] == [1]
    transcript = Transcript.objects.get()
    assert transcript.redaction_count == sum(count for count, _, _ in surfaced(chat).values())


def test_what_is_written_again_is_not_counted_again(chat):
    entry = NewEntry(kind=EntryKind.MESSAGE, native_id="m", occurred_at=NOON, text=VALUE)
    for _ in range(2):
        append_entries(tenant_id=chat.tenant_id, session=("chat", chat.pk), entries=[entry])
    assert surfaced(chat) == {"API_KEY": (1, NOON, NOON)}


def test_a_value_before_and_after_a_rotation_are_two(chat):
    rotate_secret(tenant_id=chat.tenant_id, name="API_KEY", value=NEXT, actor=SYSTEM)
    say(chat, f"{VALUE} {NEXT}")
    assert Surfacing.objects.filter(name="API_KEY").values("digest").distinct().count() == 2


def test_what_only_a_record_holds_is_there_and_counted_once(chat):
    record = NewRecord(ordinal=1, native_id="r", record_type="user", body={"a": VALUE, "b": VALUE})
    say(chat, "nothing", records=[record])
    assert surfaced(chat)["API_KEY"][0] == 2
    entry = NewEntry(kind=EntryKind.MESSAGE, native_id="s:0", ordinal=2, occurred_at=NOON, text=TOKEN)
    body = {"text": TOKEN}
    again = NewRecord(ordinal=2, native_id="s", record_type="user", body=body)
    append_entries(tenant_id=chat.tenant_id, session=("chat", chat.pk), entries=[entry], records=[again])
    assert RedactionFinding.objects.filter(is_known=False).count() == 2
    assert sum(row.count for row in Surfacing.objects.filter(is_known=False)) == 1


def test_the_first_redaction_marks_the_row_of_its_session(chat):
    other = ChatFactory(tenant=chat.tenant, title="Quiet")
    for one, text in ((chat, VALUE), (other, "nothing")):
        say(one, text)
    assert set(Chat.objects.filter(has_redactions=True)) == {chat}


def test_a_text_that_was_withheld_is_no_redaction_but_is_counted(chat):
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    entry = NewEntry(kind=EntryKind.TOOL_CALL, native_id="c", arguments={"deep": deep})
    append_entries(tenant_id=chat.tenant_id, session=("chat", chat.pk), entries=[entry])
    (row,) = Surfacing.objects.all()
    assert (row.is_withheld, row.count, row.name) == (True, 1, "unscanned: too deep")
    assert not Chat.objects.filter(has_redactions=True).exists()


def test_the_list_can_be_narrowed_to_sessions_with_redactions(chat):
    other = ChatFactory(tenant=chat.tenant, title="Quiet")
    say(chat, VALUE)
    say(other, "nothing")
    moment = Moment.of(chat.tenant, max(chat.changed_at, other.changed_at) + timedelta(minutes=1))
    for query, expected in (("has=redaction", {chat.pk}), ("not_has=redaction", {other.pk})):
        filters = read_parameters(QueryDict(query), tenant_id=chat.tenant_id).filters
        assert filters.query() == query
        assert {row.id for row in page(tenant=chat.tenant, filters=filters, moment=moment).rows} == expected
    with pytest.raises(BadParameter, match="none of redaction"):
        read_parameters(QueryDict("has=secrets"), tenant_id=chat.tenant_id)


def test_the_facet_counts_the_sessions_with_redactions(chat):
    for one in (chat, ChatFactory(tenant=chat.tenant)):
        say(one, VALUE)
    ChatFactory(tenant=chat.tenant)
    moment = Moment.of(chat.tenant, NOON)
    facets = {
        facet.param: facet for facet in list_facets(tenant=chat.tenant, filters=Filters(), moment=moment)
    }
    (option,) = facets["has"].options
    assert (option.value, option.label, option.count_label) == ("redaction", "Redactions", "2")
