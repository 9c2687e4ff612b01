"""Bodies of requests stay in memory: nothing that was not redacted may touch the disk, not for a moment.

Three places would put a large body into a temporary file: Twisted, under daphne, from 100 KB on; Django's
ASGI handler and its handlers of uploads above FILE_UPLOAD_MAX_MEMORY_SIZE. Here daphne keeps up to that limit
in memory and drops the rest, Django gets no body above it, and the middleware then answers 413.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Buffer, Callable
from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat

from workspace.problems import FieldProblem, answer

__all__ = ["keep_bodies_in_memory", "refuse_large_bodies", "without_large_body"]

type Receive = Callable[[], Awaitable[dict[str, Any]]]


class BoundedBody(io.BytesIO):
    """Holds the beginning of a body, as much as is ever read of it."""

    def write(self, data: Buffer) -> int:
        piece = memoryview(data)
        room = settings.FILE_UPLOAD_MAX_MEMORY_SIZE - self.tell()
        super().write(piece[: max(0, room)])
        return len(piece)


def keep_bodies_in_memory() -> None:
    """Have daphne make no temporary files, whichever length a request announces."""

    def make_room(self: WebRequest, _length: int | None) -> None:
        self.content = BoundedBody()

    WebRequest.gotLength = make_room


def is_too_large(length: str, encoding: str) -> bool:
    """By its headers: a body that does not announce its length may be of any."""
    return bool(encoding) or (length.isdigit() and int(length) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE)


def without_large_body(scope: dict[str, Any], receive: Receive) -> Receive:
    """What Django may receive of a request: of one that is too large, an empty body once it has all come."""
    headers = dict(scope["headers"])
    length, encoding = (headers.get(name, b"").decode() for name in (b"content-length", b"transfer-encoding"))
    if not is_too_large(length, encoding):
        return receive
    is_drained = False

    async def drained() -> dict[str, Any]:
        nonlocal is_drained
        while True:
            message = await receive()
            if is_drained or message["type"] != "http.request":
                return message
            if not message.get("more_body"):
                is_drained = True
                return {"type": "http.request", "body": b"", "more_body": False}

    return drained


def refuse_large_bodies(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or ""
        if not is_too_large(length, request.META.get("HTTP_TRANSFER_ENCODING", "")):
            return get_response(request)
        limit = filesizeformat(settings.FILE_UPLOAD_MAX_MEMORY_SIZE).replace("\xa0", " ")
        if "text/html" in request.headers.get("Accept", ""):
            return render(request, "413.html", {"limit": limit}, status=413)
        told = f"a request may have {limit}, and must say its length"
        if request.path.startswith("/api/"):
            return answer(413, told, errors=[FieldProblem(field="body", message=told)])
        return JsonResponse({"error": told}, status=413)

    return middleware
