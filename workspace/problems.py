"""Our HTTP APIs: whoever sends a token gets in, and what goes wrong is told as a problem (RFC 9457)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError
from ninja.errors import ValidationError as Unreadable
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.security import HttpBearer

from sessions_app.kinds import IllegalMove, StaleVersion
from workspace.tokens import Bearer, Scope, find_bearer

__all__ = [
    "MAX_BODY",
    "FieldProblem",
    "Problem",
    "ProblemAPI",
    "TokenAuth",
    "answer",
    "fields_below",
    "problems",
    "refuse_unknown_names",
    "tell_as_problem",
]

logger = logging.getLogger(__name__)

MAX_BODY = 256 << 10
MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "The request cannot be read",
    401: "No valid token",
    403: "Not allowed",
    404: "Not found",
    405: "Not a way to ask",
    409: "Not possible as it stands now",
    413: "Too large",
    415: "Not a kind of body that is read",
    422: "Something in the request is wrong",
    500: "Something broke here",
}
_UNKNOWN = (
    "Send “Authorization: Bearer sess_...” with a token that is neither revoked nor expired. They are made"
    " on the page API tokens of a workspace."
)


class FieldProblem(Schema):
    """`field` is the path to what is wrong in what was sent, such as `parameters.environment`."""

    field: str
    message: str


class Problem(Schema):
    """`detail` says what to do. `allowed` are the moves that are possible, `version` the one to look at."""

    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
    allowed: list[str] = []
    version: int | None = None


class TokenAuth(HttpBearer):
    """Lets a token in that has the scope; its `Bearer` is `request.auth`. No cookie ever counts here."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Bearer | None:
        bearer = find_bearer(token.strip(), now=timezone.now())
        if bearer is None:
            return None
        if self.scope not in bearer.scopes:
            has = ", ".join(sorted(bearer.scopes))
            raise PermissionDenied(f"This needs a token with the scope {self.scope}; this one has {has}.")
        if self.scope != Scope.READ and not bearer.seat.can_run:
            raise PermissionDenied("Viewers only read: an admin of the workspace can make you a member.")
        return bearer


class StrictParser(Parser):
    """JSON as the standard has it: called so, in UTF-8, no NaN, nothing infinite, no more than `MAX_BODY`."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        charset = (request.content_params or {}).get("charset", "utf-8").lower()
        if request.content_type != "application/json" or charset not in {"utf-8", "utf8"}:
            given = request.headers.get("Content-Type") or "nothing"
            raise HttpError(
                415, f"Send the body as application/json in UTF-8; its Content-Type says {given[:100]}."
            )
        if len(request.body) > MAX_BODY:
            raise HttpError(413, f"A body may have {MAX_BODY >> 10} KB.")
        try:
            body: dict[str, Any] = json.loads(
                request.body.decode(), parse_constant=_refuse_number, parse_float=_read_float
            )
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        return body


def _read_float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _refuse_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


class ProblemAPI(NinjaAPI):
    """An API whose errors are problems, in what it sends and in what its schema says."""

    def __init__(self, **options: Any) -> None:
        super().__init__(docs_url=None, docs_decorator=require_safe, parser=StrictParser(), **options)
        handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
            HttpError: _tell_http_error,
            Unreadable: _tell_unreadable,
            ValidationError: _tell_invalid,
            PermissionDenied: lambda _, error: answer(403, str(error) or "You may not do this."),
            Http404: _tell_not_found,
            ObjectDoesNotExist: _tell_not_found,
            IllegalMove: lambda _, error: answer(409, f"{error}.", allowed=list(error.allowed)),
            StaleVersion: lambda _, error: answer(409, str(error), version=error.current),
            Exception: _tell_unexpected,
        }
        for kind, handler in handlers.items():
            self.add_exception_handler(kind, handler)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        for path in schema["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    content = response.get("content", {})
                    if int(status) >= 400 and "application/json" in content:
                        content[MEDIA_TYPE] = content.pop("application/json")
        return schema


def problems(*statuses: int) -> dict[int, type[Problem]]:
    """What an operation may answer besides: these, and what every operation may."""
    return dict.fromkeys(sorted({401, 403, 422, *statuses}), Problem)


def refuse_unknown_names(request: HttpRequest, asked: Schema) -> None:
    """Raise ValidationError for what a query asks that nobody knows, or twice: it would be overlooked."""
    known = type(asked).model_fields
    told = {name: "there is no such field to ask by" for name in request.GET if name not in known}
    told |= {name: "give it once" for name, values in request.GET.lists() if len(values) > 1}
    if told:
        raise ValidationError(told)


@contextmanager
def fields_below(place: str, names: Collection[str]) -> Iterator[None]:
    """Tell what a service refuses of these names by their path: `target` as `arguments.target`."""
    try:
        yield
    except ValidationError as refused:
        fields = refused.message_dict.items()
        told = {f"{place}.{name}" if name in names else name: texts for name, texts in fields}
        raise ValidationError(cast(Any, told)) from refused


def tell_as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The same answer, or a problem for an error of what stands before and beside the operations.

    Where there is an address, OPTIONS is answered by what it takes.
    """
    if response.status_code < 400 or response.headers.get("Content-Type") == MEDIA_TYPE:
        return response
    ways = _ways(response)
    if request.method == "OPTIONS" and ways:
        return HttpResponse(status=204, headers={"Allow": ways})
    details = {
        404: "There is no such address. All there are stand in /api/v1/openapi.json.",
        405: f"This address takes {ways}.",
    }
    told = answer(
        response.status_code, details.get(response.status_code, "The server did not take the request.")
    )
    if ways:
        told.headers["Allow"] = ways
    return told


def _ways(response: HttpResponse) -> str:
    """The methods that an address takes, in one order; HEAD goes wherever GET does."""
    ways = {way.strip() for way in response.headers.get("Allow", "").split(",")} - {""}
    if not ways:
        return ""
    return ", ".join(sorted({*ways, "OPTIONS", *(["HEAD"] if "GET" in ways else [])}))


def answer(status: int, detail: str, **more: Any) -> HttpResponse:
    problem = Problem(title=_TITLES.get(status, "Refused"), status=status, detail=detail, **more)
    response = JsonResponse(problem.model_dump(), status=status, content_type=MEDIA_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _tell_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 401:
        return answer(401, _UNKNOWN)
    cause = error.__cause__  # of a body that could not be parsed
    if cause is None:
        return answer(error.status_code, str(error))
    refused = cause if isinstance(cause, HttpError) else None
    message = str(refused) if refused else f"The body is no JSON: {cause}."
    status = (refused or error).status_code
    return answer(status, message, errors=[FieldProblem(field="body", message=message)])


def _tell_unreadable(request: HttpRequest, error: Unreadable) -> HttpResponse:
    places = (([str(part) for part in one["loc"]], one["msg"]) for one in error.errors)
    return _tell_fields((".".join(_inner(place)), message) for place, message in places)


def _inner(place: list[str]) -> list[str]:
    """The path in the body or query, without what the framework puts around it."""
    return place[2:] if place[:1] == ["body"] and len(place) > 2 else place[1:]


def _tell_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields: Mapping[str, list[str]] = (
        error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    )
    return _tell_fields((name, " ".join(messages)) for name, messages in fields.items())


def _tell_fields(fields: Iterable[tuple[str, str]]) -> HttpResponse:
    told = [FieldProblem(field=name, message=message) for name, message in fields]
    return answer(422, "Correct the fields that are named, and send it again.", errors=told)


def _tell_not_found(request: HttpRequest, error: Exception) -> HttpResponse:
    return answer(404, "There is nothing of that id in this token's workspace.")


def _tell_unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(500, "It is in the log of this installation. Trying again may help.")
