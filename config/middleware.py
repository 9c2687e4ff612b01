"""What every request of Django's passes."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

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


def stay_in_one_thread(get_response: GetResponse) -> GetResponse:
    """Innermost, it makes Django run the whole chain in the request's one thread.

    It knows no async, and Django then asks the others in their plain form too. Otherwise each of them goes to
    the thread and back on its own: a page took 3.2 ms of CPU that way and takes 2.5 ms this way.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware
