from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from intake.models import FileState, StagedFile, StagedPart
from intake.presenting import may_manage, present_files
from intake.staging import (
    PART_BYTES,
    NewFile,
    OverLimit,
    complete_file,
    delete_file,
    open_upload,
    retry_file,
    stage_whole_file,
    store_part,
)
from sessions_app.kinds import IllegalMove
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor
from workspace.models import Initiative, Plan
from workspace.placement import Placement

PAGE_SIZE = 50
MAX_NAME = 4000


@require_safe
@for_members
def upload_list(request: MemberRequest) -> HttpResponse:
    """Where files are dropped, and what became of those of the last days, newest first."""
    tenant = request.seat.tenant
    files = _files(request).order_by("-pk")
    if before := request.GET.get("before", ""):
        files = files.filter(pk__lt=_read_key(before))
    rows = list(files[: PAGE_SIZE + 1])
    page = rows[:PAGE_SIZE]
    under_way = (FileState.WAITING, FileState.IMPORTING)
    context = {
        "files": present_files(page, request.seat),
        "older": page[-1].pk if len(rows) > PAGE_SIZE else None,
        "is_first": not before,
        "is_moving": any(file.state in under_way for file in page),
        "workspace": tenant.slug,
    }
    if request.htmx:
        return render(request, "intake/upload_list.html#files", context)
    context |= {
        "can_upload": request.seat.can_run,
        "part_bytes": PART_BYTES,
        "initiatives": Initiative.objects.for_tenant(tenant.pk).filter(archived_at=None).order_by("name"),
        "plans": Plan.objects.for_tenant(tenant.pk).filter(archived_at=None).order_by("name"),
    }
    return render(request, "intake/upload_list.html", context)


@require_safe
@for_members
def file_detail(request: MemberRequest, file_id: uuid.UUID) -> HttpResponse:
    """One file with every problem that its import met."""
    [row] = present_files([_find(request, file_id)], request.seat)
    context = {"file": row, "workspace": request.seat.tenant.slug}
    return render(request, "intake/file_detail.html", context)


def for_runners[**P](
    view: Callable[Concatenate[MemberRequest, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """A view that a script calls for a member who may run things: refusals are JSON that says why."""

    @for_members
    @wraps(view)
    def inner(request: MemberRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        _refuse_readers(request)
        try:
            return view(request, *args, **kwargs)
        except OverLimit as refused:
            return _refusal(refused.messages, 413)
        except ValidationError as refused:
            return _refusal(refused.messages, 422)
        except IllegalMove as refused:
            return _refusal([str(refused)], 409)
        except ObjectDoesNotExist:
            return _refusal(["it is not there any more"], 404)

    return inner


@require_POST
@for_runners
def upload_begin(request: MemberRequest) -> HttpResponse:
    """Make room for files: `{"files": [{"name", "size", "written_at" (ms)}], "initiative", "plan"}`.

    Answers for each file in turn its id and the numbers of the parts that are here already.
    """
    given = _read_json(request.body)
    _, files = open_upload(
        tenant_id=request.seat.tenant.pk,
        placement=_read_placement(request, given),
        files=[_read_file(file) for file in given.get("files", [])],
        actor=Actor.member(request.user),
        now=timezone.now(),
    )
    here: dict[uuid.UUID, list[int]] = {file.pk: [] for file in files}
    parts = StagedPart.objects.for_tenant(request.seat.tenant.pk).filter(file__in=files)
    for file_id, number in parts.values_list("file_id", "number"):
        here[file_id].append(number)
    return JsonResponse({"files": [{"id": str(key), "received": numbers} for key, numbers in here.items()]})


@require_http_methods(["PUT"])
@for_runners
def part_store(request: MemberRequest, file_id: uuid.UUID, number: int) -> HttpResponse:
    """The bytes of one part, as the body."""
    _own(request, file_id)
    store_part(tenant_id=request.seat.tenant.pk, file_id=file_id, number=number, content=request.body)
    return HttpResponse(status=204)


@require_POST
@for_runners
def file_complete(request: MemberRequest, file_id: uuid.UUID) -> HttpResponse:
    _own(request, file_id)
    complete_file(tenant_id=request.seat.tenant.pk, file_id=file_id)
    return HttpResponse(status=204)


@require_POST
@for_members
def upload_form(request: MemberRequest) -> HttpResponse:
    """Small files in one form, for whom no script runs; what is larger never gets here (config/bodies.py)."""
    _refuse_readers(request)
    given = [file for file in request.FILES.getlist("files") if file.name]
    contents = [file.read() for file in given]
    now = timezone.now()
    try:
        with transaction.atomic():
            _, files = open_upload(
                tenant_id=request.seat.tenant.pk,
                placement=_read_placement(request, request.POST),
                files=[
                    NewFile(name=str(file.name), size_bytes=len(content), written_at=now)
                    for file, content in zip(given, contents, strict=True)
                ],
                actor=Actor.member(request.user),
                now=now,
            )
            for file, content in zip(files, contents, strict=True):
                stage_whole_file(file, content)
    except (ValidationError, ObjectDoesNotExist) as refused:
        messages.error(request, _explain(refused))
    else:
        word = "file waits" if len(files) == 1 else "files wait"
        messages.success(request, f"{len(files):,} {word} to be imported.")
    return redirect("intake:upload-list", request.seat.tenant.slug)


@require_POST
@for_members
def file_retry(request: MemberRequest, file_id: uuid.UUID) -> HttpResponse:
    return _move(request, file_id, retry_file, "will be tried again")


@require_POST
@for_members
def file_delete(request: MemberRequest, file_id: uuid.UUID) -> HttpResponse:
    return _move(request, file_id, delete_file, "was deleted")


def _move(request: MemberRequest, file_id: uuid.UUID, service: Callable[..., Any], done: str) -> HttpResponse:
    file = _find(request, file_id)
    if not may_manage(file, request.seat):
        raise PermissionDenied("this is for whoever uploaded the file, or for the workspace's admins")
    try:
        service(tenant_id=file.tenant_id, file_id=file.pk, actor=Actor.member(request.user))
    except IllegalMove as refused:
        messages.warning(request, str(refused))
    else:
        messages.success(request, f"{file.name} {done}.")
    return redirect("intake:upload-list", request.seat.tenant.slug)


def _files(request: MemberRequest) -> Any:
    return StagedFile.objects.for_tenant(request.seat.tenant.pk).select_related("upload__owner")


def _find(request: MemberRequest, file_id: uuid.UUID) -> StagedFile:
    file: StagedFile | None = _files(request).filter(pk=file_id).first()
    if file is None:
        raise Http404("no such file")
    return file


def _own(request: MemberRequest, file_id: uuid.UUID) -> None:
    """Parts of a file are for whoever began to send it: to anybody else it is not there."""
    if not request.seat.owns(_find(request, file_id).upload.owner_id):
        raise Http404("no such file")


def _refuse_readers(request: MemberRequest) -> None:
    if not request.seat.can_run:
        raise PermissionDenied("your role reads: ask an admin of the workspace for the role of a member")


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("files", []), list):
        raise ValidationError("the body must be a JSON object with a list of files")
    return given


def _read_file(given: Any) -> NewFile:
    try:
        name, size, written_at = str(given["name"]), given["size"], given["written_at"]
        moment = datetime.fromtimestamp(written_at / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise ValidationError("each file needs a name, a size in bytes and a time in milliseconds") from None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or not 0 < len(name) <= MAX_NAME:
        raise ValidationError("a file's name has 1 to 4,000 characters and its size is a whole number")
    return NewFile(name=name, size_bytes=size, written_at=moment)


def _read_placement(request: MemberRequest, given: Any) -> Placement:
    def key(name: str) -> uuid.UUID | None:
        value = given.get(name)
        return _read_key(str(value)) if value else None

    return Placement(owner_id=request.user.pk, initiative_id=key("initiative"), plan_id=key("plan"))


def _read_key(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404("no such row") from None


def _explain(refused: Exception) -> str:
    return "; ".join(refused.messages) if isinstance(refused, ValidationError) else f"{refused}"


def _refusal(reasons: Sequence[str], status: int) -> JsonResponse:
    return JsonResponse({"error": "; ".join(reasons)}, status=status)
