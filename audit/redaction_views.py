"""Pages of secrets, rules and sweeps: where each surfaced, and what an admin may do about it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from audit.models import RedactionSweep, Surfacing
from audit.reverse_index import WITHHELD, count_sessions, read_lines
from audit.secret_forms import NewSecretForm, NewValueForm
from audit.sweeps import start_sweep
from workspace import secrets
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor
from workspace.models import EarlierValue, RotationCheck, RotationStep, Secret

SECRETS_PAGE = 100
SWEEPS_PAGE = 20


def for_admins(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of `for_members` that members without the role get 403 from."""

    @wraps(view)
    def inner(request: MemberRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.seat.can_manage:
            raise PermissionDenied("secrets are for the workspace's admins")
        return view(request, *args, **kwargs)

    return for_members(inner)


@require_safe
@never_cache
@for_admins
def secret_list(request: MemberRequest) -> HttpResponse:
    """The workspace's secrets by name, with who set them and in how many sessions they surfaced."""
    return _render_list(request, NewSecretForm())


@sensitive_post_parameters()
@require_POST
@for_admins
def secret_create(request: MemberRequest) -> HttpResponse:
    """Register a secret; what is refused is said beside its field, the value is not sent back."""
    form = NewSecretForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            secret = secrets.create_secret(
                tenant_id=request.seat.tenant.pk,
                name=values["name"],
                value=values["value"],
                note=values["note"],
                actor=Actor.member(request.user),
            )
        except ValidationError as refused:
            _show_refusal(form, refused)
        else:
            messages.success(
                request, f"{secret.name} is known from now on; a sweep looks through what is there."
            )
            return _to_secret(request, secret.name)
    return _render_list(request, form, status=422)


@require_safe
@never_cache
@for_members
def secret_detail(request: MemberRequest, name: str) -> HttpResponse:
    """Where a secret surfaced, for every member; what to do about it, for admins. Never a value."""
    return _render_secret(request, name, NewValueForm())


@sensitive_post_parameters()
@require_POST
@for_admins
def secret_rotate(request: MemberRequest, name: str) -> HttpResponse:
    """Set a new value; the one before is still recognised."""
    form = NewValueForm(request.POST)
    if form.is_valid():
        try:
            secrets.rotate_secret(**_row(request, name), value=form.cleaned_data["value"])
        except Secret.DoesNotExist:
            raise Http404("no such secret") from None
        except ValidationError as refused:
            _show_refusal(form, refused)
        else:
            messages.success(request, f"{name} has its new value; a sweep looks for it in what is there.")
            return _to_secret(request, name)
    return _render_secret(request, name, form, status=422)


@require_POST
@for_admins
def secret_action(request: MemberRequest, name: str) -> HttpResponse:
    """Forget earlier values, delete, tick a step of the rotation off or begin it again."""
    row, action = _row(request, name), request.POST.get("action", "")
    try:
        if action == "forget":
            count = secrets.forget_earlier_values(**row)
            messages.success(request, f"Earlier values forgotten: {count}.")
        elif action == "delete":
            secrets.delete_secret(**row)
            messages.success(request, f"{name} is deleted: its value is no longer looked for.")
            return HttpResponseRedirect(reverse("audit:secret-list", args=[request.seat.tenant.slug]))
        elif action == "restart":
            secrets.restart_rotation(tenant_id=row["tenant_id"], name=name)
        elif action in RotationStep.values:
            is_done = request.POST.get("done") == "1"
            secrets.check_rotation_step(**row, step=RotationStep(action), is_done=is_done)
        else:
            problem = {"parameter": "action", "message": "nothing that can be done to a secret"}
            return render(request, "400.html", {"problem": problem}, status=400)
    except Secret.DoesNotExist:
        raise Http404("no such secret") from None
    return _to_secret(request, name)


@require_safe
@for_members
def rule_detail(request: MemberRequest, rule: str) -> HttpResponse:
    """Where a rule found something, and in how many other sessions the same value stands."""
    tenant = request.seat.tenant
    if not Surfacing.objects.for_tenant(tenant.pk).filter(is_known=False, name=rule).exists():
        raise Http404("nothing was found by such a rule")
    is_withheld = rule.startswith(WITHHELD)
    context = {
        **_where(request, is_known=False, name=rule),
        "title": f"Withheld: {rule.removeprefix(WITHHELD)}" if is_withheld else rule,
        "is_rule": True,
        "is_withheld": is_withheld,
    }
    return render(request, "audit/redaction_detail.html", context)


@require_safe
@never_cache
@for_admins
def sweep_list(request: MemberRequest) -> HttpResponse:
    """The sweeps of the workspace, the newest first, with how far each table is."""
    rows = RedactionSweep.objects.for_tenant(request.seat.tenant.pk).select_related("started_by")
    sweeps = list(rows.order_by("-created_at")[:SWEEPS_PAGE])
    context = {"sweeps": sweeps, "is_running": any(sweep.is_open for sweep in sweeps), **_urls(request)}
    part = "#sweeps" if request.htmx else ""
    return render(request, f"audit/sweep_list.html{part}", context)


@require_POST
@for_admins
def sweep_start(request: MemberRequest) -> HttpResponse:
    """Look through all that is stored once more."""
    start_sweep(tenant_id=request.seat.tenant.pk, reason="started by hand", actor=Actor.member(request.user))
    messages.success(request, "A sweep will begin.")
    return HttpResponseRedirect(reverse("audit:sweep-list", args=[request.seat.tenant.slug]))


def _row(request: MemberRequest, name: str) -> dict[str, Any]:
    return {"tenant_id": request.seat.tenant.pk, "name": name, "actor": Actor.member(request.user)}


def _to_secret(request: MemberRequest, name: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("audit:secret-detail", args=[request.seat.tenant.slug, name]))


def _urls(request: MemberRequest) -> dict[str, str]:
    slug = request.seat.tenant.slug
    names = ("secret-list", "secret-create", "sweep-list", "sweep-start")
    return {f"{name.replace('-', '_')}_url": reverse(f"audit:{name}", args=[slug]) for name in names}


def _show_refusal(form: forms.Form, refused: ValidationError) -> None:
    for field, reasons in refused.message_dict.items():
        # A check of the whole row is about its name: that alone has one.
        form.add_error(field if field in form.fields else next(iter(form.fields)), reasons)


def _render_list(request: MemberRequest, form: forms.Form, status: int = 200) -> HttpResponse:
    tenant = request.seat.tenant
    rows = Secret.objects.for_tenant(tenant.pk).select_related("created_by", "rotated_by").order_by("name")
    if after := request.GET.get("after", "").replace("\x00", ""):
        rows = rows.filter(name__gt=after)
    found = list(rows.defer("sealed")[: SECRETS_PAGE + 1])
    shown = found[:SECRETS_PAGE]
    counts = count_sessions(tenant.pk, [secret.name for secret in shown])
    lines = [
        {
            "secret": secret,
            "url": reverse("audit:secret-detail", args=[tenant.slug, secret.name]),
            "sessions": counts.get(secret.name, ""),
        }
        for secret in shown
    ]
    context = {
        "form": form,
        "lines": lines,
        "older_url": f"?after={shown[-1].name}" if len(found) > SECRETS_PAGE else "",
        **_urls(request),
    }
    return render(request, "audit/secret_list.html", context, status=status)


def _render_secret(request: MemberRequest, name: str, form: forms.Form, status: int = 200) -> HttpResponse:
    tenant = request.seat.tenant
    rows = Secret.objects.for_tenant(tenant.pk).select_related("created_by", "rotated_by").defer("sealed")
    secret = rows.filter(name=name).first()
    surfaced = Surfacing.objects.for_tenant(tenant.pk).filter(is_known=True, name=name)
    if secret is None and not surfaced.exists():
        raise Http404("no such secret")
    context = {
        **_where(request, is_known=True, name=name),
        "title": name,
        "secret": secret,
        "can_manage": request.seat.can_manage and secret is not None,
    }
    if secret is not None and request.seat.can_manage:
        context |= _managing(request, secret, form)
    return render(request, "audit/redaction_detail.html", context, status=status)


def _managing(request: MemberRequest, secret: Secret, form: forms.Form) -> dict[str, Any]:
    tenant = request.seat.tenant
    checks = RotationCheck.objects.for_tenant(tenant.pk).filter(secret=secret).select_related("checked_by")
    done = {check.step: check for check in checks}
    return {
        "form": form,
        "rotate_url": reverse("audit:secret-rotate", args=[tenant.slug, secret.name]),
        "action_url": reverse("audit:secret-action", args=[tenant.slug, secret.name]),
        "steps": [(step.value, step.label, done.get(step.value)) for step in RotationStep],
        "has_ticks": bool(done),
        "earlier_count": EarlierValue.objects.for_tenant(tenant.pk).filter(secret=secret).count(),
        "sweep": RedactionSweep.objects.for_tenant(tenant.pk).order_by("-created_at").first(),
        **_urls(request),
    }


def _where(request: MemberRequest, *, is_known: bool, name: str) -> dict[str, Any]:
    """The reverse index of one name, a page at a time."""
    tenant = request.seat.tenant
    try:
        before = uuid.UUID(request.GET["before"]) if "before" in request.GET else None
    except ValueError:
        raise Http404("no such page") from None
    lines, older = read_lines(tenant, is_known=is_known, name=name, before=before)
    return {
        "crumbs": [("Sessions", reverse("sessions_app:session-list", args=[tenant.slug]))],
        "lines": lines,
        "older_url": f"?before={older}" if older else "",
        "is_first_page": before is None,
        "all_url": f"{reverse('sessions_app:session-list', args=[tenant.slug])}?has=redaction",
    }
