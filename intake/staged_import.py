"""How a worker turns the files of an upload into sessions: one claim, three tries a file.

    claim -> count a try -> unseal, redact, store and announce, a batch of records at a time
          -> "done", and the parts are gone

Each arrow is a commit. Killed between two of them, a worker leaves a claim whose lease lapses; who comes next
begins the file anew and adds what is not there yet, by its native ids. What a batch came to is added to
the file's report by the transaction that stores it, so that the last try tells of all.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Least, Now

from audit.services import record
from intake.importing import DatabaseTroubleError, Importer, ImportStopped
from intake.models import FileState, StagedFile, StagedPart, Upload
from intake.readers.side_files import AgentMeta, read_meta
from intake.reports import FileOutcome, FileReport
from intake.sealed_stream import open_staged
from intake.sources import Source
from intake.staging import META_SUFFIX, send_upload
from workspace.actors import SYSTEM, Actor
from workspace.placement import Placement, check_placement
from workspace.sealing import Unsealable

__all__ = ["BACKOFF", "LEASE", "MAX_TRIES", "import_staged", "q_due"]

logger = logging.getLogger(__name__)

#: How long a claim outlives the last sign of its worker, which gives one after each batch of records.
LEASE = timedelta(minutes=2)
MAX_TRIES = 3
#: The wait after the first and after the second failure.
BACKOFF = (timedelta(seconds=30), timedelta(minutes=2))
#: After this long a worker lets other jobs go first, between two files.
TURN_SECONDS = 60.0
MAX_REASON = 500
#: How many problems of a file are kept beside it.
MOST_PROBLEMS = 200


class Superseded(ImportStopped):
    """The lease lapsed, and another worker may have the upload: this one leaves it alone."""


class TryFailed(Exception):
    """The try came to nothing; the message, which never quotes the file, says why."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to an upload, for as long as `token` stands in its row."""

    upload: Upload
    token: uuid.UUID

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.upload.tenant_id

    def rows(self) -> QuerySet[Upload]:
        """The upload's row, if the claim still holds."""
        return Upload.objects.for_tenant(self.tenant_id).filter(pk=self.upload.pk, claim=self.token)


def import_staged(*, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> int:
    """Import what waits of an upload, unless another worker does; returns how many files were tried.

    Nothing is raised for what a file holds: a failed try is written down beside it.
    """
    tried = 0
    began = time.monotonic()
    while claim := _claim(tenant_id, upload_id):
        importer = _importer(claim.upload)
        try:
            while file := _begin_next(claim):
                _try(importer, claim, file)
                tried += 1
                if time.monotonic() - began > TURN_SECONDS:
                    _let_go(claim)
                    send_upload(tenant_id, upload_id)
                    return tried
        except Superseded:
            return tried
        _let_go(claim)
        # Whoever handed a file over while we held the claim has sent no message.
        if not _due(tenant_id, upload_id).exists():
            return tried
    return tried


def _is_free() -> Q:
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())


def _due(tenant_id: uuid.UUID, upload_id: uuid.UUID) -> QuerySet[StagedFile]:
    """What a worker that holds the upload may begin. One being imported was left by another worker."""
    return StagedFile.objects.for_tenant(tenant_id).filter(q_due(), upload_id=upload_id).order_by("position")


def q_due() -> Q:
    """What stands beside a sub-agent's file is kept until all others are over: it is read with that file."""
    may_begin = Q(not_before__isnull=True) | Q(not_before__lte=Now())
    others = StagedFile.objects.filter(
        tenant=OuterRef("tenant"),
        upload=OuterRef("upload"),
        position__lt=OuterRef("position"),
        state__in=(FileState.RECEIVING, FileState.WAITING, FileState.IMPORTING),
    )
    waits_for_others = Q(Exists(others), name__endswith=META_SUFFIX)
    return Q(state=FileState.IMPORTING) | (Q(state=FileState.WAITING) & may_begin & ~waits_for_others)


def _meta_beside(file: StagedFile) -> AgentMeta | None:
    """What the small file beside a sub-agent's own says, if it came along."""
    if not PurePosixPath(file.name).name.startswith("agent-"):
        return None
    name = str(PurePosixPath(file.name).with_suffix(META_SUFFIX))
    beside = StagedFile.objects.for_tenant(file.tenant_id).filter(
        upload_id=file.upload_id, name=name, state__in=(FileState.WAITING, FileState.DEAD)
    )
    found = beside.first()
    if found is None:
        return None
    try:
        with open_staged(found) as stream:
            return read_meta(stream)
    except (Unsealable, EOFError):
        return None


def _claim(tenant_id: uuid.UUID, upload_id: uuid.UUID) -> Claim | None:
    token = uuid.uuid4()
    rows = Upload.objects.for_tenant(tenant_id).filter(pk=upload_id)
    if not rows.filter(_is_free()).update(claim=token, lease_expires_at=Now() + LEASE):
        return None
    upload = rows.select_related("owner").filter(claim=token).first()
    return Claim(upload, token) if upload else None


def _let_go(claim: Claim) -> None:
    claim.rows().update(claim=None, lease_expires_at=None)


def _importer(upload: Upload) -> Importer:
    return Importer(
        tenant_id=upload.tenant_id,
        placement=_placement(upload),
        actor=Actor.member(upload.owner),
    )


def _placement(upload: Upload) -> Placement:
    return Placement(owner_id=upload.owner_id, initiative_id=upload.initiative_id, plan_id=upload.plan_id)


def _begin_next(claim: Claim) -> StagedFile | None:
    """Count a try of the next file, committed before it begins, so that one that kills its worker counts."""
    while True:
        with transaction.atomic():
            _renew(claim)
            due = _due(claim.tenant_id, claim.upload.pk)
            file = due.select_for_update(no_key=True, of=("self",)).first()
            if file is None:
                return None
            if file.tries < MAX_TRIES:
                file.state, file.tries, file.progress_bytes = FileState.IMPORTING, file.tries + 1, 0
                file.changed_at = Now()
                file.save(update_fields=["state", "tries", "progress_bytes", "changed_at"])
                return file
            _set_aside(file, f"the worker was lost in each of {MAX_TRIES} tries")


def _renew(claim: Claim) -> None:
    if not claim.rows().update(lease_expires_at=Now() + LEASE):
        raise Superseded


def _try(importer: Importer, claim: Claim, file: StagedFile) -> None:
    try:
        report = _read(importer, claim, file)
    except TryFailed as failure:
        _fail(claim, file, str(failure))
    else:
        _finish(claim, file, report)


def _read(importer: Importer, claim: Claim, file: StagedFile) -> FileReport:
    """The report of the import, by this try and those before it. Raises `TryFailed`."""
    report = _stored_before(file)

    def keep(offset: int) -> None:
        """With each batch: only while the claim holds, how far it is and what it came to so far."""
        _renew(claim)
        stored = {"outcome": report.outcome, "entries": report.entries, "redactions": report.redactions}
        _files(file).update(progress_bytes=Least(F("size_bytes"), Value(offset)), report=stored)

    try:
        check_placement(claim.tenant_id, _placement(claim.upload))
        source = Source(
            name=file.name,
            written_at=file.written_at,
            open=lambda: open_staged(file),
            meta=_meta_beside(file),
        )
        with source.open() as stream:  # what cannot be opened is told here: the importer would not say why
            stream.read(1)
    except ObjectDoesNotExist as gone:
        raise TryFailed(f"its owner, initiative or plan is gone: {gone}") from None
    except (Unsealable, EOFError) as error:
        raise TryFailed(f"what was sealed cannot be opened: {error}") from None
    try:
        importer.import_source(source, keep, report)
    except DatabaseTroubleError:
        raise TryFailed("the database was away, full or busy") from None
    if report.outcome == FileOutcome.FAILED:
        raise TryFailed(report.problems[-1].reason)
    return report


def _stored_before(file: StagedFile) -> FileReport:
    """A report that begins with what earlier tries have stored."""
    stored = file.report or {"outcome": FileOutcome.IGNORED, "entries": 0, "redactions": 0}
    return FileReport(
        file.name,
        outcome=FileOutcome(stored["outcome"]),
        entries=stored["entries"],
        redactions=stored["redactions"],
    )


@transaction.atomic
def _finish(claim: Claim, file: StagedFile, report: FileReport) -> None:
    _renew(claim)
    told = report.to_json()
    told["more_problems"] += len(told["problems"][MOST_PROBLEMS:])
    told["problems"] = told["problems"][:MOST_PROBLEMS]
    StagedPart.objects.for_tenant(claim.tenant_id).filter(file=file).delete()
    _files(file).update(
        state=FileState.DONE, report=told, reason="", progress_bytes=F("size_bytes"), changed_at=Now()
    )


def _fail(claim: Claim, file: StagedFile, reason: str) -> None:
    with transaction.atomic():
        _renew(claim)
        if file.tries >= MAX_TRIES:
            _set_aside(file, reason)
            return
        _files(file).update(
            state=FileState.WAITING,
            not_before=Now() + BACKOFF[file.tries - 1],
            reason=reason[:MAX_REASON],
            progress_bytes=0,
            changed_at=Now(),
        )
        claim.rows().update(sent_at=None)


def _set_aside(file: StagedFile, reason: str) -> None:
    logger.error("staged file %s was set aside after %s tries", file.pk, file.tries)
    _files(file).update(
        state=FileState.DEAD, reason=reason[:MAX_REASON], not_before=None, progress_bytes=0, changed_at=Now()
    )
    record(
        tenant_id=file.tenant_id,
        actor=SYSTEM,
        action="set_aside",
        object_kind="staged_file",
        object_id=file.pk,
        object_title=file.name,
        changes={"state": (FileState.WAITING, FileState.DEAD)},
    )


def _files(file: StagedFile) -> QuerySet[StagedFile]:
    return StagedFile.objects.for_tenant(file.tenant_id).filter(pk=file.pk)
