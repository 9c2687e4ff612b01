"""Admin actions that do their work through services: one row at a time, each its own transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.options import ActionLocation
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from sessions_app.kinds import IllegalMove, StaleVersion
from workspace.actors import Actor
from workspace.models import User

__all__ = ["MAX_ROWS", "REFUSALS", "explain_refusal", "operator_of", "service_action"]

#: What services raise when they refuse, having changed nothing.
REFUSALS = (IllegalMove, StaleVersion, ValidationError)
#: How many rows one action takes: it runs inside a request.
MAX_ROWS = 100

type Act = Callable[[Any, Any, Actor], object]


def operator_of(request: HttpRequest) -> Actor:
    """The signed-in operator as the record names them."""
    if not isinstance(request.user, User):
        raise TypeError("the admin lets nobody in who is not signed in")
    return Actor.member(request.user)


def explain_refusal(refusal: Exception) -> str:
    """What a person reads when a service has refused."""
    return "; ".join(refusal.messages) if isinstance(refusal, ValidationError) else str(refusal)


def service_action(label: str, *, confirm: str = "") -> Callable[[Act], Callable[..., HttpResponse | None]]:
    """Make a method `(self, row, actor)` that calls a service an action on lists and on a row's own page.

    A refusal is shown as a message beside those rows that went through. `confirm` is what cannot be undone:
    with it the operator is asked once more.
    """

    def decorate(act: Act) -> Callable[..., HttpResponse | None]:
        @admin.action(
            description=label,
            description_plural=f"{label} the selected %(verbose_name_plural)s",
            location=[ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM],
        )
        def action(
            self: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
        ) -> HttpResponse | None:
            rows = list(queryset[: MAX_ROWS + 1])
            if len(rows) > MAX_ROWS:
                self.message_user(request, f"Choose at most {MAX_ROWS} rows at once.", messages.ERROR)
                return None
            if confirm and "confirmed" not in request.POST:
                return _ask(self, request, rows, name=act.__name__, label=label, warning=confirm)
            _perform(self, request, rows, act=act, label=label)
            return None

        action.__name__ = act.__name__
        action.__doc__ = act.__doc__
        return action

    return decorate


def _perform(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, rows: list[Any], *, act: Act, label: str
) -> None:
    actor, done = operator_of(request), 0
    for row in rows:
        try:
            with transaction.atomic():
                act(model_admin, row, actor)
                model_admin.log_change(request, row, label)
        except REFUSALS as refusal:
            model_admin.message_user(request, explain_refusal(refusal), messages.ERROR)
        else:
            done += 1
    if done:
        opts = model_admin.opts
        noun = opts.verbose_name if done == 1 else opts.verbose_name_plural
        model_admin.message_user(request, f"{label}: done for {done} {noun}.", messages.SUCCESS)


def _ask(
    model_admin: admin.ModelAdmin[Any],
    request: HttpRequest,
    rows: list[Any],
    *,
    name: str,
    label: str,
    warning: str,
) -> HttpResponse:
    """The page that asks once more; its answer comes back to the page that the action was chosen on."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{label}?",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "rows": rows,
        "warning": warning,
        "label": label,
        # The names that Django reads an action by: one on lists, the other on a row's page.
        "action_fields": {"action": name, f"{ActionLocation.CHANGE_FORM.value}-action": name},
        "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
