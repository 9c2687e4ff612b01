"""What holds for all templates, and the error pages, which must work when nothing else does."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import get_template
from django.test import RequestFactory
from django.views import csrf, defaults

from audit import pages, presenting
from sessions_app import registry
from sessions_app.templatetags.interface import SPRITE

ROOT = Path(settings.BASE_DIR)
FOLDER = ROOT / "templates"
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.html"))
ICONS = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static" / SPRITE).read_text()))


def source(name: str) -> str:
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_compiles(name: str) -> None:
    assert get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_keeps_the_content_security_policy(name: str) -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|hx-on|hx-vals=.js:", source(name))


@pytest.mark.parametrize("name", TEMPLATES)
def test_icons_of_a_template_are_in_the_sprite(name: str) -> None:
    assert set(re.findall(r'{% icon "([\w-]+)"', source(name))) <= ICONS


def test_icons_of_transcripts_and_receipts_are_in_the_sprite() -> None:
    assert set(presenting.ICONS.values()) | {icon for _, icon in pages.RECEIPT_TONES.values()} <= ICONS


def test_icons_of_every_kind_and_status_are_in_the_sprite() -> None:
    kinds = registry.all_kinds()
    used = {kind.icon for kind in kinds} | {info.icon for kind in kinds for info in kind.statuses.values()}
    assert used <= ICONS


ERRORS: list[tuple[int, Callable[[HttpRequest], HttpResponse]]] = [
    (400, lambda request: defaults.bad_request(request, SuspiciousOperation("bad"))),
    (403, lambda request: defaults.permission_denied(request, PermissionDenied())),
    (403, lambda request: csrf.csrf_failure(request)),
    (404, lambda request: defaults.page_not_found(request, Http404())),
    (500, defaults.server_error),
]


@pytest.mark.parametrize(("status", "view"), ERRORS)
def test_error_page_renders_without_a_database_and_says_what_to_do(
    status: int, view: Callable[[HttpRequest], HttpResponse]
) -> None:
    # No database mark: a query would fail the test. The request has neither a user nor a session.
    response = view(RequestFactory().get("/anything"))
    page = response.content.decode()
    assert response.status_code == status
    assert '<html lang="en"' in page
    assert re.search(r'<a class="button primary" href="/">', page)


def test_the_stored_theme_is_drawn_by_the_server() -> None:
    request = RequestFactory().get("/anything")
    request.COOKIES["theme"] = "dark"
    assert 'data-theme="dark"' in defaults.page_not_found(request, Http404()).content.decode()


def test_a_forged_theme_is_ignored() -> None:
    request = RequestFactory().get("/anything")
    request.COOKIES["theme"] = '"><script>'
    assert "data-theme" not in defaults.page_not_found(request, Http404()).content.decode()
