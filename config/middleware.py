"""What every request of Django's passes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve

from workspace.access import find_seat
from workspace.models import User
from workspace.problems import tell_as_problem

GetResponse = Callable[[HttpRequest], HttpResponse]


def tell_api_problems(get_response: GetResponse) -> GetResponse:
    """Outermost, so that no error below /api/ is a page: whoever asks there reads JSON.

    HEAD is answered there as GET is; the server leaves the body out.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return get_response(request)
        method = request.method
        request.method = "GET" if method == "HEAD" else method
        response = tell_as_problem(request, get_response(request))
        request.method = method
        return response

    return middleware


def explain_wrong_methods(get_response: GetResponse) -> GetResponse:
    """Make a page of the empty answer that an address gives to a method which it does not take.

    People come there by the address of a form: typed, reloaded, or led back after signing in.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405 or response.content or request.path.startswith("/api/"):
            return response
        workspace = request.resolver_match.kwargs.get("workspace") if request.resolver_match else None
        if workspace and isinstance(request.user, User) and not hasattr(request, "seat"):
            # The frame of the page is that of the person's workspace; strangers get the bare one.
            request.seat = find_seat(request.user, workspace)  # type: ignore[attr-defined]
        was_read = request.method in {"GET", "HEAD"}
        context = {"was_read": was_read, "page_url": _find_page(request.path, is_own=not was_read)}
        page = render(request, "405.html", context, status=405)
        page.headers["Allow"] = response.headers["Allow"]
        return page

    return middleware


def _find_page(path: str, *, is_own: bool) -> str:
    """The nearest address above a path, or its own, that leads anywhere."""
    while path != "/":
        path = path if is_own else f"{path.rstrip('/').rpartition('/')[0]}/"
        is_own = False
        with suppress(Resolver404):
            resolve(path)
            return path
    return path


def stay_in_one_thread(get_response: GetResponse) -> GetResponse:
    """Innermost, it makes Django run the whole chain in the request's one thread.

    It knows no async, and Django then asks the others in their plain form too. Otherwise each of them goes to
    the thread and back on its own: a page took 3.2 ms of CPU that way and takes 2.5 ms this way.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware
