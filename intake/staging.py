"""Files that wait for a worker: received in parts, sealed as they come, until they are imported or given up.

What a part holds has not been redacted, so it is stored in no other form than sealed, and no message to a
worker holds more than ids. See `docs/staging.md`.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath

from celery import current_app
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Now
from django.template.defaultfilters import filesizeformat

from audit.redactors import one_redactor
from audit.services import record, redact
from intake.models import FileState, StagedFile, StagedPart, Upload
from sessions_app.kinds import IllegalMove
from workspace.actors import Actor
from workspace.placement import Placement, check_placement
from workspace.records import lock_tenant
from workspace.sealing import derive_key, seal_bytes, unseal_bytes

__all__ = [
    "PART_BYTES",
    "NewFile",
    "OverLimit",
    "complete_file",
    "count_parts",
    "delete_file",
    "open_part",
    "open_upload",
    "retry_file",
    "send_upload",
    "stage_whole_file",
    "store_part",
]

logger = logging.getLogger(__name__)

#: Each part but the last of a file has this size, so that any byte of a file is found without the others.
PART_BYTES = 1 << 20
#: A job that was sent is sent again after this long if its work is still there; until then it is queued.
SENT_FOR = timedelta(minutes=5)
MAX_NAME = 1000
#: Ends the name of the small file beside a sub-agent's own.
META_SUFFIX = ".meta.json"
#: The job by its name: what sends it and what it runs are in one chain of imports.
JOB = "intake.jobs.import_upload"
_NOT_DONE = (FileState.RECEIVING, FileState.WAITING, FileState.IMPORTING, FileState.DEAD)
#: What a person may do to a file, by its state.
MOVES: dict[str, tuple[str, ...]] = {
    FileState.RECEIVING: ("delete",),
    FileState.WAITING: ("delete",),
    FileState.IMPORTING: (),
    FileState.DONE: ("delete",),
    FileState.DEAD: ("retry", "delete"),
}


class OverLimit(ValidationError):
    """A file or an upload is larger than may wait here; the message names the limit and its setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that is about to come: its path below what was chosen, its size, when it was last written."""

    name: str
    size_bytes: int
    written_at: datetime


@transaction.atomic
def open_upload(
    *, tenant_id: uuid.UUID, placement: Placement, files: Sequence[NewFile], actor: Actor, now: datetime
) -> tuple[Upload, list[StagedFile]]:
    """Make room for these files; returns them in the order that they were named in.

    They will be imported in the order of their names, sessions before sub-agents. One that the same owner
    began to send before, and that was not written since, goes on from the parts that are here. Raises
    `OverLimit`, or the DoesNotExist of what the placement names.
    """
    check_placement(tenant_id, placement)
    lock_tenant(tenant_id)
    _refuse_over_limits(tenant_id, files)
    upload = Upload.objects.create(
        tenant_id=tenant_id,
        owner_id=placement.owner_id,
        initiative_id=placement.initiative_id,
        plan_id=placement.plan_id,
    )
    order = sorted(range(len(files)), key=lambda index: _import_order(files[index].name))
    with one_redactor(tenant_id):
        names = [redact(tenant_id=tenant_id, text=file.name)[:MAX_NAME] for file in files]
    begun = _begun_before(tenant_id, placement.owner_id, names)
    staged: dict[int, StagedFile] = {}
    for position, index in enumerate(order):
        file, name, written_at = files[index], names[index], min(files[index].written_at, now)
        row = begun.pop((name, file.size_bytes, written_at), None) or StagedFile(
            tenant_id=tenant_id, name=name, size_bytes=file.size_bytes, written_at=written_at
        )
        row.upload, row.position = upload, position
        row.save()
        staged[index] = row
    _record_upload(upload, actor, f"{len(files):,} files")
    return upload, [staged[index] for index in range(len(files))]


def _import_order(name: str) -> tuple[bool, bool, str]:
    """Sessions, then their sub-agents, then what only stands beside those."""
    last = PurePosixPath(name).name
    return last.endswith(META_SUFFIX), last.startswith("agent-"), name


def _begun_before(
    tenant_id: uuid.UUID, owner_id: uuid.UUID, names: Sequence[str]
) -> dict[tuple[str, int, datetime], StagedFile]:
    """The owner's unfinished files of these names."""
    rows = StagedFile.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",))
    begun = rows.filter(state=FileState.RECEIVING, upload__owner_id=owner_id, name__in=names)
    return {(row.name, row.size_bytes, row.written_at): row for row in begun.order_by("pk")}


def _refuse_over_limits(tenant_id: uuid.UUID, files: Sequence[NewFile]) -> None:
    if len(files) > settings.UPLOAD_MAX_FILES:
        raise OverLimit(
            f"{len(files):,} files at once are too many: an upload may have {settings.UPLOAD_MAX_FILES:,} "
            "(UPLOAD_MAX_FILES)"
        )
    largest = max(files, key=lambda file: file.size_bytes, default=None)
    if largest and largest.size_bytes > settings.UPLOAD_MAX_FILE_BYTES:
        raise OverLimit(
            f"a file of {_size(largest.size_bytes)} is too large: one may have "
            f"{_size(settings.UPLOAD_MAX_FILE_BYTES)} (UPLOAD_MAX_FILE_MB)"
        )
    rows = StagedFile.objects.for_tenant(tenant_id).filter(state__in=_NOT_DONE)
    waiting = rows.aggregate(total=Sum("size_bytes"))["total"] or 0
    wanted = sum(file.size_bytes for file in files)
    if waiting + wanted > settings.UPLOAD_MAX_STAGED_BYTES:
        raise OverLimit(
            f"{_size(wanted)} more would be too much at once: {_size(waiting)} of this workspace wait "
            f"already, and {_size(settings.UPLOAD_MAX_STAGED_BYTES)} may (UPLOAD_MAX_STAGED_MB)"
        )


def _size(count: int) -> str:
    return str(filesizeformat(count)).replace("\xa0", " ")


def count_parts(size_bytes: int) -> int:
    return -(-size_bytes // PART_BYTES)


@transaction.atomic
def store_part(*, tenant_id: uuid.UUID, file_id: uuid.UUID, number: int, content: bytes) -> StagedFile:
    """Seal and keep one part (from 0) of a file; the same part again changes nothing.

    Raises StagedFile.DoesNotExist, ValidationError for a part that the file does not have or that is not as
    long as it must be, and IllegalMove if the file is whole and the part was another.
    """
    file = _lock_file(tenant_id, file_id)
    expected = min(PART_BYTES, file.size_bytes - number * PART_BYTES)
    if not 0 <= number < count_parts(file.size_bytes) or len(content) != expected:
        raise ValidationError(
            f"part {number} of a file of {file.size_bytes:,} bytes cannot have {len(content):,} bytes"
        )
    digest = _digest(tenant_id, content)
    here = StagedPart.objects.for_tenant(tenant_id).filter(file=file, number=number).first()
    if file.state != FileState.RECEIVING:
        if here is None or not hmac.compare_digest(here.digest, digest):
            raise _illegal(file, "send another part")
        return file
    if here is None:
        file.progress_bytes += len(content)
        here = StagedPart(tenant_id=tenant_id, file=file, number=number)
    if here.digest != digest:
        here.sealed, here.key_id = seal_bytes(content, tenant_id=tenant_id, name=here.sealed_as)
        here.digest = digest
        here.save()
    file.changed_at = Now()
    file.save(update_fields=["progress_bytes", "changed_at"])
    return file


@transaction.atomic
def complete_file(*, tenant_id: uuid.UUID, file_id: uuid.UUID) -> StagedFile:
    """All parts are here: hand the file to a worker. Again, it changes nothing.

    Raises ValidationError, naming how many parts are missing.
    """
    file = _lock_file(tenant_id, file_id)
    if file.state != FileState.RECEIVING:
        return file
    parts = StagedPart.objects.for_tenant(tenant_id).filter(file=file).order_by("number")
    digests = list(parts.values_list("digest", flat=True))
    missing = count_parts(file.size_bytes) - len(digests)
    if missing:
        raise ValidationError(f"{missing:,} of {count_parts(file.size_bytes):,} parts are missing")
    file.digest = _digest(tenant_id, "".join(digests).encode())
    _hand_over(file)
    return file


def stage_whole_file(file: StagedFile, content: bytes) -> StagedFile:
    """Store a file that came in one piece, and hand it to a worker."""
    for number in range(count_parts(len(content))):
        piece = content[number * PART_BYTES : (number + 1) * PART_BYTES]
        store_part(tenant_id=file.tenant_id, file_id=file.pk, number=number, content=piece)
    return complete_file(tenant_id=file.tenant_id, file_id=file.pk)


@transaction.atomic
def retry_file(*, tenant_id: uuid.UUID, file_id: uuid.UUID, actor: Actor) -> StagedFile:
    """Give a file that was set aside three more tries. Raises IllegalMove for one in another state."""
    file = _lock_file(tenant_id, file_id)
    _refuse_unless_allowed(file, "retry")
    file.tries, file.reason = 0, ""
    _hand_over(file)
    _record_file(file, actor, "retry_import")
    return file


@transaction.atomic
def delete_file(*, tenant_id: uuid.UUID, file_id: uuid.UUID, actor: Actor) -> None:
    """Remove a file that is not being imported, with its content. Raises IllegalMove for one that is."""
    file = _lock_file(tenant_id, file_id)
    _refuse_unless_allowed(file, "delete")
    _record_file(file, actor, "delete_staged_file")
    file.delete()


def _hand_over(file: StagedFile) -> None:
    file.state, file.not_before, file.progress_bytes, file.changed_at = FileState.WAITING, None, 0, Now()
    file.save()
    Upload.objects.for_tenant(file.tenant_id).filter(pk=file.upload_id).update(sent_at=None)
    transaction.on_commit(partial(_send_unless_claimed, file.tenant_id, file.upload_id), robust=True)


def _send_unless_claimed(tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """A worker that holds the upload looks for files once more after it has let go: it needs no message."""
    is_free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    if Upload.objects.for_tenant(tenant_id).filter(is_free, pk=upload_id).exists():
        send_upload(tenant_id, upload_id)


def send_upload(tenant_id: uuid.UUID, upload_id: uuid.UUID) -> bool:
    """Tell a worker by ids alone. Without a broker nothing is lost: the sweep sends it later."""
    try:
        current_app.send_task(
            JOB, args=[str(tenant_id), str(upload_id)], expires=SENT_FOR.total_seconds(), retry=False
        )
    except Exception as error:  # whatever a broker's client raises
        logger.warning("upload %s was not sent to a worker: %s", upload_id, type(error).__name__)
        return False
    Upload.objects.for_tenant(tenant_id).filter(pk=upload_id).update(sent_at=Now())
    return True


def open_part(part: StagedPart) -> bytes:
    """The piece as it was sent. Raises `Unsealable`."""
    return unseal_bytes(bytes(part.sealed), key_id=part.key_id, tenant_id=part.tenant_id, name=part.sealed_as)


def _lock_file(tenant_id: uuid.UUID, file_id: uuid.UUID) -> StagedFile:
    return (
        StagedFile.objects.for_tenant(tenant_id).select_for_update(no_key=True, of=("self",)).get(pk=file_id)
    )


def _digest(tenant_id: uuid.UUID, content: bytes) -> str:
    return hmac.new(derive_key("staged-file", tenant_id), content, hashlib.sha256).hexdigest()


def _refuse_unless_allowed(file: StagedFile, move: str) -> None:
    if move not in MOVES[file.state]:
        raise _illegal(file, move)


def _illegal(file: StagedFile, tried: str) -> IllegalMove:
    status = FileState(file.state).label.lower()
    return IllegalMove(subject=f"file “{file.name}”", tried=tried, status=status, allowed=MOVES[file.state])


def _record_file(file: StagedFile, actor: Actor, action: str) -> None:
    record(
        tenant_id=file.tenant_id,
        actor=actor,
        action=action,
        object_kind="staged_file",
        object_id=file.pk,
        object_title=file.name,
    )


def _record_upload(upload: Upload, actor: Actor, title: str) -> None:
    record(
        tenant_id=upload.tenant_id,
        actor=actor,
        action="begin_upload",
        object_kind="upload",
        object_id=upload.pk,
        object_title=title,
    )
