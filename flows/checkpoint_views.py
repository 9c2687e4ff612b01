"""The page on which a checkpoint's step is changed before it is approved."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from audit.looking import decision_on
from audit.pages import find_session
from flows import services
from flows.access import can_decide
from flows.checkpoint_forms import ArgumentsForm
from flows.models import FlowRun, RunStatus
from flows.moves import KIND, find_current_step
from flows.peeking import peek_at_checkpoint
from sessions_app.kinds import IllegalMove, StaleVersion, read_version
from sessions_app.registry import get_kind
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor

#: Past what a version can be: refused as stale, like any other that is not the run's.
NO_VERSION = -1


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def checkpoint_edit(request: MemberRequest, run_id: uuid.UUID) -> HttpResponse:
    """What the checkpoint asks, with its parameters to be changed; a POST approves it with what was entered.

    422 with what is wrong at its field. A run that has moved on leads back to its page, which says so.
    """
    run: FlowRun = find_session(get_kind(KIND), request.seat.tenant.pk, run_id)
    if not can_decide(run, request.seat.membership):
        raise PermissionDenied("the checkpoints of this run are for others to decide")
    if run.status != RunStatus.PAUSED:
        return _back(request, run, "This run waits at no checkpoint: nothing was changed.")
    step = find_current_step(run)
    form = ArgumentsForm(step.parameters, request.POST if request.method == "POST" else None)
    if form.is_valid() and (answer := _approve(request, run, form)) is not None:
        return answer
    peek = peek_at_checkpoint(run)
    context = {
        "run": run,
        "run_url": _url(request, run),
        "peek": peek,
        "shown": {"parts": [part for part in peek.parts if part.label != "Arguments"]},
        "form": form,
        "has_parameters": bool(step.parameters),
        "version": request.POST.get("version", run.version),
        "content_hash": request.POST.get("content_hash", peek.content_hash),
    }
    return render(request, "flows/checkpoint_edit.html", context, status=422 if form.is_bound else 200)


def _approve(request: MemberRequest, run: FlowRun, form: ArgumentsForm) -> HttpResponse | None:
    """None with what is wrong in the form."""
    version = read_version(request.POST.get("version", ""))
    seen_version = NO_VERSION if version is None else version
    try:
        services.approve_checkpoint(
            tenant_id=run.tenant_id,
            run_id=run.pk,
            actor=Actor.member(request.user),
            seen_version=seen_version,
            seen_hash=request.POST.get("content_hash") or None,
            comment=form.cleaned_data["comment"],
            arguments=form.arguments(),
        )
    except (IllegalMove, StaleVersion) as refused:
        return _back(request, run, decision_on(run.tenant_id, (KIND, run.pk), seen_version) or str(refused))
    except ValidationError as refused:
        for text in refused.messages:
            form.add_error(None, text)
        return None
    messages.success(request, "Approved as it was entered: the run goes on.")
    return HttpResponseRedirect(_url(request, run))


def _back(request: MemberRequest, run: FlowRun, text: str) -> HttpResponse:
    messages.warning(request, text)
    return HttpResponseRedirect(_url(request, run))


def _url(request: MemberRequest, run: FlowRun) -> str:
    return reverse("flows:run-detail", args=[request.seat.tenant.slug, run.pk])
