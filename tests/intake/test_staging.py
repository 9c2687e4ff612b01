"""Files come in parts, are sealed as they come, and are handed over when they are whole."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from intake.models import FileState, StagedFile, StagedPart, Upload
from intake.sealed_stream import open_staged
from intake.staging import (
    PART_BYTES,
    OverLimit,
    complete_file,
    delete_file,
    open_part,
    retry_file,
    stage_whole_file,
    store_part,
)
from intake.sweeping import KEPT_FOR, forget_staged
from sessions_app.kinds import IllegalMove
from tests.factories.workspace import InitiativeFactory, MembershipFactory
from tests.intake.staged_files import begin, stage
from workspace.actors import Actor
from workspace.models import Initiative, Membership
from workspace.resealing import reseal
from workspace.sealing import Unsealable
from workspace.services import set_secret

pytestmark = pytest.mark.django_db

#: Two whole parts and a bit of a third.
CONTENT = os.urandom(2 * PART_BYTES + 5)


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(tenant__slug="acme")


def send(file: StagedFile, number: int, content: bytes = CONTENT) -> StagedFile:
    piece = content[number * PART_BYTES : (number + 1) * PART_BYTES]
    return store_part(tenant_id=file.tenant_id, file_id=file.pk, number=number, content=piece)


def stored_bytes() -> bytes:
    """Everything that the staging tables hold."""
    found = b""
    with connection.cursor() as cursor:
        for table in ("intake_upload", "intake_stagedfile", "intake_stagedpart"):
            cursor.execute(f"SELECT t::text FROM {table} t")
            found += "".join(row[0] for row in cursor.fetchall()).encode()
    return found


def test_a_file_is_whole_when_all_its_parts_are_here(member):
    _, [file] = begin(member, {"a.jsonl": CONTENT})
    for number in (2, 0):
        send(file, number)
    with pytest.raises(ValidationError, match="1 of 3 parts are missing"):
        complete_file(tenant_id=file.tenant_id, file_id=file.pk)
    assert send(file, 1).progress_bytes == len(CONTENT)
    done = complete_file(tenant_id=file.tenant_id, file_id=file.pk)
    assert (done.state, len(done.digest)) == (FileState.WAITING, 64)
    with open_staged(done) as stream:
        assert stream.read() == CONTENT
        stream.seek(PART_BYTES - 3)
        assert stream.read(6) == CONTENT[PART_BYTES - 3 : PART_BYTES + 3]


def test_the_same_part_again_changes_nothing_and_another_replaces_it_until_the_file_is_whole(member):
    _, [file] = begin(member, {"a.jsonl": CONTENT})
    for number in range(3):
        send(file, number)
    sealed = bytes(StagedPart.objects.get(number=1).sealed)
    assert send(file, 1).progress_bytes == len(CONTENT)
    assert bytes(StagedPart.objects.get(number=1).sealed) == sealed
    other = os.urandom(PART_BYTES)
    store_part(tenant_id=file.tenant_id, file_id=file.pk, number=1, content=other)
    assert open_part(StagedPart.objects.get(number=1)) == other
    complete_file(tenant_id=file.tenant_id, file_id=file.pk)
    assert send(file, 0).state == FileState.WAITING
    with pytest.raises(IllegalMove):
        send(file, 1)


@pytest.mark.parametrize(("number", "length"), [(0, PART_BYTES - 1), (2, 6), (3, 0), (-1, PART_BYTES)])
def test_a_part_that_the_file_cannot_have_is_refused(member, number, length):
    _, [file] = begin(member, {"a.jsonl": CONTENT})
    with pytest.raises(ValidationError, match="cannot have"):
        store_part(tenant_id=file.tenant_id, file_id=file.pk, number=number, content=b"x" * length)
    assert not StagedPart.objects.exists()


def test_what_waits_is_sealed_and_bound_to_its_place(member):
    marker = b"the quick brown fox jumps over the lazy dog"
    stage(member, {"a.jsonl": marker, "b.jsonl": b"other"})
    stored = stored_bytes()
    assert marker not in stored
    assert marker.hex().encode() not in stored
    first, second = StagedPart.objects.order_by("pk")
    assert open_part(first) == marker
    for field, value in {
        "file_id": second.file_id,
        "number": 1,
        "tenant_id": MembershipFactory().tenant_id,
        "key_id": "0" * 16,
    }.items():
        moved = StagedPart.objects.get(pk=first.pk)
        setattr(moved, field, value)
        with pytest.raises(Unsealable) as refused:
            open_part(moved)
        assert "fox" not in str(refused.value)


def test_a_name_is_stored_without_the_secret_in_it(member):
    value = "-".join(["harbour", "lantern", "quiet", "9931"])
    set_secret(tenant_id=member.tenant_id, name="NAMED", value=value, actor=Actor.member(member.user))
    _, [file] = begin(member, {f"work/{value}.jsonl": b"{}"})
    assert file.name == "work/[NAMED].jsonl"
    assert value.encode() not in stored_bytes()


def test_a_new_key_takes_over_what_waits(member, settings):
    stage(member, {"a.jsonl": CONTENT})
    old, new = settings.SEALING_KEYS[0], os.urandom(32)
    settings.SEALING_KEYS = [new, old]
    stage(member, {"b.jsonl": b"sealed with the new one"})
    done = {str(one.model): one.resealed for one in reseal()}
    assert done["staged parts"] == 3
    settings.SEALING_KEYS = [new]
    file = StagedFile.objects.get(name="a.jsonl")
    with open_staged(file) as stream:
        assert stream.read() == CONTENT


def test_sending_goes_on_where_it_was_broken_off(member):
    _, [file] = begin(member, {"a.jsonl": CONTENT})
    send(file, 0)
    upload, [again] = begin(member, {"a.jsonl": CONTENT})
    assert (again.pk, again.upload_id, again.progress_bytes) == (file.pk, upload.pk, PART_BYTES)
    _, [longer] = begin(member, {"a.jsonl": CONTENT + b"more"})
    assert longer.pk != file.pk
    _, [theirs] = begin(MembershipFactory(tenant=member.tenant), {"a.jsonl": CONTENT})
    assert theirs.pk not in (file.pk, longer.pk)


def test_sessions_stand_before_their_sub_agents_and_what_lies_beside_them(member):
    names = ["s/subagents/agent-1.meta.json", "s/subagents/agent-1.jsonl", "s.jsonl", "a.jsonl"]
    _, rows = begin(member, dict.fromkeys(names, b"{}"))
    assert [row.name for row in rows] == names
    assert [row.name for row in sorted(rows, key=lambda row: row.position)] == names[::-1]


@pytest.mark.parametrize(
    ("limit", "value", "named"),
    [
        ("UPLOAD_MAX_FILE_BYTES", 1023, "UPLOAD_MAX_FILE_MB"),
        ("UPLOAD_MAX_STAGED_BYTES", 2047, "UPLOAD_MAX_STAGED_MB"),
        ("UPLOAD_MAX_FILES", 1, "UPLOAD_MAX_FILES"),
    ],
)
def test_a_limit_is_named_by_its_setting_and_nothing_is_kept(member, settings, limit, value, named):
    setattr(settings, limit, value)
    with pytest.raises(OverLimit, match=named):
        begin(member, {"a.jsonl": b"x" * 1024, "b.jsonl": b"x" * 1024})
    assert not Upload.objects.exists()


def test_what_waits_counts_for_one_workspace_alone(member, settings):
    settings.UPLOAD_MAX_STAGED_BYTES = 1500
    begin(MembershipFactory(), {"a.jsonl": b"x" * 1024})
    begin(member, {"a.jsonl": b"x" * 1024})
    with pytest.raises(OverLimit, match=r"1\.0 KB of this workspace wait"):
        begin(member, {"b.jsonl": b"x" * 1024})


def test_a_place_in_another_workspace_is_refused(member):
    with pytest.raises(Initiative.DoesNotExist):
        begin(member, {"a.jsonl": b"{}"}, initiative_id=InitiativeFactory().pk)


def test_only_what_was_set_aside_is_tried_again_and_nothing_is_deleted_under_a_worker(member):
    actor = Actor.member(member.user)
    stage(member, {"a.jsonl": b"{}"})
    file = StagedFile.objects.get()
    where = {"tenant_id": file.tenant_id, "file_id": file.pk, "actor": actor}
    with pytest.raises(IllegalMove, match="allowed: delete"):
        retry_file(**where)
    StagedFile.objects.update(state=FileState.IMPORTING)
    with pytest.raises(IllegalMove, match="allowed: nothing"):
        delete_file(**where)
    StagedFile.objects.update(state=FileState.DEAD, tries=3, reason="why")
    again = retry_file(**where)
    assert (again.state, again.tries, again.reason) == (FileState.WAITING, 0, "")
    delete_file(**where)
    assert not StagedPart.objects.exists()


def test_an_empty_file_is_whole_at_once(member):
    _, [file] = begin(member, {"empty.jsonl": b""})
    assert stage_whole_file(file, b"").state == FileState.WAITING


@pytest.mark.parametrize("state", list(KEPT_FOR))
def test_files_are_forgotten_when_their_time_is_over(member, state):
    stage(member, {"old.jsonl": b"{}", "new.jsonl": b"{}"})
    old = StagedFile.objects.filter(name="old.jsonl")
    old.update(state=state, changed_at=timezone.now() - KEPT_FOR[state] - timedelta(minutes=1))
    StagedFile.objects.filter(name="new.jsonl").update(
        state=state, changed_at=timezone.now() - KEPT_FOR[state] + timedelta(minutes=1)
    )
    assert forget_staged() == 1
    assert [part.file.name for part in StagedPart.objects.all()] == ["new.jsonl"]
    Upload.objects.update(created_at=timezone.now() - timedelta(days=2))
    forget_staged()
    assert Upload.objects.count() == 1
