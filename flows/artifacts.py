"""What runs have made, as pages show it: a list, a preview of what can be shown safely, the file itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from audit.diffs import Hunk, hunks_of
from flows.models import Artifact, FlowRun
from workspace.access import MemberRequest, for_members

__all__ = [
    "ArtifactView",
    "artifact_download",
    "artifact_image",
    "artifact_preview",
    "present_artifacts",
    "send_artifact",
]

#: Says nothing of what an artifact is, so that no browser tries to show it.
OPAQUE = "application/octet-stream"
#: Images that run no scripts, by how their files begin. What an agent calls its file counts for nothing.
IMAGES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
MOST_IMAGE_BYTES = 10 << 20
#: So much of a text is shown; the download has all of it.
MOST_CHARACTERS = 200_000
DIFFS = {".diff", ".patch"}


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """One file of a run; `preview_url` is "" where nothing can be shown."""

    name: str
    media_type: str
    size: int
    is_unscanned: bool
    preview_url: str
    download_url: str


def present_artifacts(run: FlowRun, slug: str) -> Iterator[ArtifactView]:
    """The files of a run, the oldest first."""
    rows = Artifact.objects.for_tenant(run.tenant_id).filter(run=run).defer("text")
    for artifact in rows.order_by("created_at", "pk"):
        yield _present(artifact, slug)


def _present(artifact: Artifact, slug: str) -> ArtifactView:
    address = [slug, artifact.run_id, artifact.pk]
    can_show = not artifact.file or _may_be_image(artifact)
    return ArtifactView(
        name=artifact.name,
        media_type=artifact.content_type,
        size=artifact.size_bytes,
        is_unscanned=not artifact.is_scanned,
        preview_url=reverse("flows:artifact-preview", args=address) if can_show else "",
        download_url=reverse("flows:artifact-download", args=address),
    )


@require_safe
@for_members
def artifact_preview(request: MemberRequest, run_id: uuid.UUID, artifact_id: uuid.UUID) -> HttpResponse:
    """A text, a diff or an image on a page of ours; for anything else the way to download it."""
    slug = request.seat.tenant.slug
    artifact = _find(request, run_id, artifact_id)
    text = "" if artifact.file else artifact.text[:MOST_CHARACTERS]
    is_image = bool(artifact.file) and _read_image_type(artifact) != ""
    context = {
        "artifact": _present(artifact, slug),
        "run_title": artifact.run.title,
        "crumbs": [
            ("Sessions", reverse("sessions_app:session-list", args=[slug])),
            (artifact.run.title, reverse("flows:run-detail", args=[slug, run_id])),
        ],
        "text": text,
        "hunks": _hunks(artifact.name, text),
        "is_cut": len(artifact.text) > MOST_CHARACTERS,
        "is_empty": not artifact.file and not artifact.text,
        "image_url": reverse("flows:artifact-image", args=[slug, run_id, artifact_id]) if is_image else "",
    }
    return render(request, "flows/artifact_preview.html", context)


def _hunks(name: str, text: str) -> list[Hunk]:
    """The hunks of a diff, behind the name of each file; [] for what is none."""
    if PurePosixPath(name).suffix.lower() not in DIFFS:
        return []
    hunks: list[Hunk] = []
    for path, patch in _files_of(text.splitlines()):
        hunks += [Hunk(path), *hunks_of(before=None, after=None, patch=patch)]
    return hunks


def _files_of(lines: list[str]) -> Iterator[tuple[str, str]]:
    """The name of each file of a diff and its hunks as text; what stands between files is left out."""
    path, body = "", list[str]()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("diff --git ") or (line.startswith("--- ") and following.startswith("+++ ")):
            if body:
                yield path, "\n".join(body)
            path, body = line[4:].removeprefix("a/"), []
        elif line.startswith("+++ ") and not body:
            path = path if line[4:] == "/dev/null" else line[4:].removeprefix("b/")
        elif body or line.startswith("@@"):
            body.append(line)
    if body:
        yield path, "\n".join(body)


@require_safe
@for_members
def artifact_image(request: MemberRequest, run_id: uuid.UUID, artifact_id: uuid.UUID) -> HttpResponse:
    """An image for the preview, and only if its bytes say that it is one; as itself it may do nothing."""
    artifact = _find(request, run_id, artifact_id)
    media_type = _read_image_type(artifact) if artifact.file else ""
    if not media_type:
        raise Http404("this artifact is no image that can be shown")
    answer: HttpResponse = FileResponse(artifact.file.open("rb"), content_type=media_type)  # type: ignore[assignment]
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


@require_safe
@for_members
def artifact_download(request: MemberRequest, run_id: uuid.UUID, artifact_id: uuid.UUID) -> HttpResponse:
    """An artifact as an attachment, never shown inline: its content comes from an agent."""
    return send_artifact(_find(request, run_id, artifact_id))


def send_artifact(artifact: Artifact) -> HttpResponse:
    """The file itself, as an attachment."""
    content: HttpResponse = (
        FileResponse(artifact.file.open("rb"), content_type=OPAQUE)  # type: ignore[assignment]
        if artifact.file
        else HttpResponse(artifact.text, content_type=OPAQUE)
    )
    # A line break at a name's end would pass for a part of the header.
    name = PurePosixPath(artifact.name).name.strip() or "artifact"
    content.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return content


def _find(request: MemberRequest, run_id: uuid.UUID, artifact_id: uuid.UUID) -> Artifact:
    rows = Artifact.objects.for_tenant(request.seat.tenant.pk).select_related("run")
    artifact = rows.filter(run_id=run_id, pk=artifact_id).first()
    if artifact is None:
        raise Http404("no such artifact")
    return artifact


def _may_be_image(artifact: Artifact) -> bool:
    return (
        artifact.content_type in {*IMAGES.values(), "image/webp"} and artifact.size_bytes <= MOST_IMAGE_BYTES
    )


def _read_image_type(artifact: Artifact) -> str:
    """What kind of image the file is by its first bytes; "" if it is none that may be shown."""
    if not _may_be_image(artifact):
        return ""
    with artifact.file.open("rb") as file:
        head = file.read(16)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for start, media_type in IMAGES.items() if head.startswith(start)), "")
