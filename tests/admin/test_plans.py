"""The lists of the big tables on seeded rows: what PostgreSQL reads for them, and how much."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.db.models import Model
from django.test import RequestFactory
from uuid_utils.compat import uuid7

from audit.models import AuditEntry, RawRecord, RedactionFinding, Transcript, TranscriptEntry
from chats.models import Chat
from flows.models import FlowRun
from tasks.models import BackgroundTask
from tests.admin.rows import make_audit_entry, make_finding, make_raw_record
from tests.factories.audit import TranscriptEntryFactory
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import MembershipFactory
from workspace.models import Membership, User
from workspace.operating.paging import OperatorChangeList

ROWS = 20_000
BIG = [AuditEntry, BackgroundTask, Chat, FlowRun, RawRecord, RedactionFinding, TranscriptEntry]
OVER_BIG = pytest.mark.parametrize("model", BIG, ids=lambda model: model.__name__)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("seeded")]


#: Half of the rows are of the first workspace, the rest of the others.
PLACE = "CASE WHEN mod(n, 2) = 0 THEN 1 ELSE mod(n, 20) + 1 END"
#: A key of the same time as the copied row's, to the minute, and in the order of n.
KEY = "(left(one.id::text, 9) || lpad(to_hex(n), 4, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"


def multiply(row: Model, **columns: str) -> None:
    """`ROWS` copies of this row; `columns` gives the value of a column in SQL, from the number `n`."""
    table = row._meta.db_table
    names = [field.column for field in row._meta.concrete_fields if not field.generated]
    values = [{"id": KEY, **columns}.get(name, f'one."{name}"') for name in names]
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({", ".join(map(quoted, names))}) '
            f'SELECT {", ".join(values)} FROM "{table}" AS one, generate_series(0, {ROWS - 1}) AS n '
            "WHERE one.id = %s",
            [row.pk],
        )


def quoted(name: str) -> str:
    return f'"{name}"'


def pick(keys: list[Any], place: str = PLACE) -> str:
    """SQL for one of these keys, by `place` from 1 on."""
    return f"(ARRAY[{', '.join(repr(str(key)) for key in keys)}]::uuid[])[{place}]"


def seed() -> None:
    seats = [MembershipFactory() for _ in range(20)]
    tenant = pick([seat.tenant_id for seat in seats])
    title = "CASE WHEN mod(n, 500) = 0 THEN 'Rare walrus ' ELSE 'Fix the build ' END || n"
    owned = {"tenant_id": tenant, "owner_id": pick([seat.user_id for seat in seats]), "title": title}
    for row in (ChatFactory(), BackgroundTaskFactory(completed=True), FlowRunFactory(completed=True)):
        multiply(row, **owned)
    for seat in seats:
        BackgroundTaskFactory(tenant=seat.tenant, owner=seat.user, failed=True)
    multiply(make_audit_entry(), tenant_id=tenant)
    multiply(make_finding(), tenant_id=tenant)
    transcripts = Transcript.objects.bulk_create(
        Transcript(tenant=seats[n % 20].tenant, session_kind="chat", session_id=uuid7()) for n in range(200)
    )
    part = {
        "tenant_id": pick([transcript.tenant_id for transcript in transcripts], "mod(n, 200) + 1"),
        "transcript_id": pick([transcript.pk for transcript in transcripts], "mod(n, 200) + 1"),
    }
    multiply(TranscriptEntryFactory(), **part, seq="n + 10", native_id="n::text")
    multiply(make_raw_record(), **part, ordinal="n", digest="n::text")
    with connection.cursor() as cursor:
        # Foreign keys are checked at once, or each test's end would check all of them anew.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("ANALYZE")


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Seeded once for all tests of this file, which only read, and rolled back after the last."""
    with django_db_blocker.unblock(), transaction.atomic():
        seed()
        yield
        transaction.set_rollback(True)
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # What the planner has learnt outlives the rollback.
        cursor.execute("ANALYZE")


def list_of(model: type[Model], **query: str) -> OperatorChangeList:
    request = RequestFactory().get("/", query)
    request.user = User(is_superuser=True, is_active=True)
    made = admin.site.get_model_admin(model).get_changelist_instance(request)
    assert isinstance(made, OperatorChangeList)
    return made


def plan_of(changelist: OperatorChangeList) -> tuple[str, int]:
    """The plan of the page's query as text, and the number of buffers that it touched."""
    rows = changelist.queryset[: changelist.list_per_page + 1]
    explained = json.loads(rows.explain(analyze=True, buffers=True, format="json"))[0]["Plan"]
    return json.dumps(explained), explained["Shared Hit Blocks"] + explained["Shared Read Blocks"]


def scanned_whole(plan: str, model: type[Model]) -> bool:
    pattern = r'"Node Type": "Seq Scan"[^{}]*"Relation Name": "' + model._meta.db_table + '"'
    return re.search(pattern, plan) is not None


@OVER_BIG
def test_the_first_page_is_read_from_the_end_of_the_key(model: type[Model]):
    plan, buffers = plan_of(list_of(model))
    assert not scanned_whole(plan, model)
    assert '"Sort"' not in plan
    assert f'"Index Name": "{model._meta.db_table}_pkey"' in plan
    assert buffers < 500


@OVER_BIG
def test_a_page_far_back_costs_what_the_first_does(model: type[Model]):
    far_back = model._default_manager.order_by("-pk").values_list("pk", flat=True)[ROWS // 2]
    page = list_of(model, p=str(far_back))
    plan, buffers = plan_of(page)
    assert len(page.result_list) == page.list_per_page
    assert '"Sort"' not in plan
    assert buffers < 500


@OVER_BIG
def test_a_list_narrowed_to_a_small_workspace_reads_no_whole_table(model: type[Model]):
    tenant_id = model._default_manager.order_by("pk").values_list("tenant_id", flat=True)[51]
    page = list_of(model, workspace=str(tenant_id))
    plan, _ = plan_of(page)
    assert page.result_list
    assert not scanned_whole(plan, model)


@OVER_BIG
def test_a_short_span_of_time_is_a_range_of_the_key(model: type[Model]):
    plan, buffers = plan_of(list_of(model, created="hour"))
    assert not scanned_whole(plan, model)
    assert buffers < 500


@OVER_BIG
def test_a_search_for_an_id_reads_no_whole_table(model: type[Model]):
    wanted = model._default_manager.order_by("pk").first()
    page = list_of(model, q=str(wanted.pk))
    plan, buffers = plan_of(page)
    assert [row.pk for row in page.result_list] == [wanted.pk]
    assert not scanned_whole(plan, model)
    assert buffers < 500


@pytest.mark.parametrize("model", [TranscriptEntry, RawRecord])
def test_the_rows_of_a_transcript_are_read_through_its_index(model: type[Model]):
    transcript_id = model._default_manager.order_by("pk").values_list("transcript_id", flat=True)[50]
    for query in ({"transcript": str(transcript_id)}, {"q": str(transcript_id)}):
        page = list_of(model, **query)
        plan, _ = plan_of(page)
        assert {row.transcript_id for row in page.result_list} == {transcript_id}
        assert not scanned_whole(plan, model)


@pytest.mark.parametrize("model", [BackgroundTask, Chat, FlowRun])
@pytest.mark.parametrize(("word", "found"), [("walrus", 40), ("build", 50)])
def test_words_are_found_newest_first_whether_rare_or_common(model: type[Model], word: str, found: int):
    page = list_of(model, q=word)
    plan, buffers = plan_of(page)
    keys = [row.pk for row in page.result_list]
    assert len(keys) == found
    assert keys == sorted(keys, reverse=True)
    assert all(word in row.title for row in page.result_list)
    assert not scanned_whole(plan, model)
    assert buffers < 1000


def test_a_rare_status_is_found_without_reading_the_whole_table():
    page = list_of(BackgroundTask, status__exact="failed")
    plan, buffers = plan_of(page)
    assert len(page.result_list) == 20
    assert not scanned_whole(plan, BackgroundTask)
    assert buffers < 500


def test_the_work_of_one_person_is_read_through_their_workspaces():
    owner = Membership.objects.select_related("user").latest("pk").user
    page = list_of(Chat, owner_email=owner.email)
    plan, _ = plan_of(page)
    assert {row.owner_id for row in page.result_list} <= {owner.pk}
    assert not scanned_whole(plan, Chat)
