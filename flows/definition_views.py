"""The pages of what steps are given: skills and profiles, each listed, shown, made and changed alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents import services
from agents.access import can_define
from agents.forms import DefinitionForm, ProfileForm, SkillForm
from agents.models import Profile, Skill
from flows.models import FlowStep
from flows.services.skills import change_used_skill
from sessions_app.kinds import StaleVersion, read_version
from workspace.access import MemberRequest, for_members
from workspace.actors import Actor

PAGE_SIZE = 50
#: How many of the flows that use a row its line in the list names.
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Shelf:
    """Skills, or profiles. `noun` is also the step's field that names one, and begins the names of pages."""

    noun: str
    icon: str
    model: type[Skill] | type[Profile]
    form: type[DefinitionForm]
    create: Callable[..., Skill | Profile]
    change: Callable[..., Skill | Profile]

    def url(self, page: str, *args: object) -> str:
        return reverse(f"flows:{self.noun}-{page}", args=args)

    def __str__(self) -> str:
        return self.noun


SKILLS = Shelf("skill", "wrench", Skill, SkillForm, services.create_skill, change_used_skill)
PROFILES = Shelf("profile", "bot", Profile, ProfileForm, services.create_profile, services.change_profile)


@dataclass(slots=True)
class Use:
    """A flow that uses a row, in these of its steps."""

    name: str
    url: str
    is_archived: bool
    steps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the list; of the flows that use it the first are named, and there are `more`."""

    row: Skill | Profile
    url: str
    uses: Sequence[Use]
    more: int


@require_safe
@for_members
def definition_list(request: MemberRequest, shelf: Shelf) -> HttpResponse:
    """One page of them by name; `after` is the lower-case name that the page before ended with."""
    slug, is_archived = request.seat.tenant.slug, request.GET.get("archived") == "1"
    found = list(_list(request, shelf, is_archived=is_archived)[: PAGE_SIZE + 1])
    shown: list[Any] = found[:PAGE_SIZE]
    more = {"after": shown[-1].sort_name} if len(found) > PAGE_SIZE else {}
    uses = _find_uses(request, shelf, [row.pk for row in shown])
    context = {
        "shelf": shelf,
        "lines": [_line(shelf, slug, row, uses.get(row.pk, [])) for row in shown],
        "older_url": f"?{urlencode({**more, **({'archived': 1} if is_archived else {})})}" if more else "",
        "is_archived": is_archived,
        "can_define": can_define(request.seat.membership),
        "create_url": shelf.url("create", slug),
        "tabs": tabs(slug, shelf.noun),
    }
    return render(request, "flows/definition_list.html", context)


def _list(request: MemberRequest, shelf: Shelf, *, is_archived: bool) -> QuerySet[Any]:
    rows: Any = shelf.model._default_manager.filter(tenant_id=request.seat.tenant.pk)
    rows = rows.filter(archived_at__isnull=not is_archived).annotate(sort_name=Lower("name"))
    after = request.GET.get("after", "").replace("\x00", "")
    found: QuerySet[Any] = rows.filter(sort_name__gt=after) if after else rows
    return found.order_by("sort_name")


def _line(shelf: Shelf, slug: str, row: Skill | Profile, uses: Sequence[Use]) -> Line:
    more = max(len(uses) - MOST_NAMED, 0)
    return Line(row=row, url=shelf.url("detail", slug, row.pk), uses=uses[:MOST_NAMED], more=more)


def tabs(slug: str, current: str) -> list[dict[str, Any]]:
    """The way between the lists of flows, skills and profiles."""
    pages = (("flow", "Flows"), ("skill", "Skills"), ("profile", "Profiles"))
    return [
        {"label": label, "url": reverse(f"flows:{noun}-list", args=[slug]), "is_current": noun == current}
        for noun, label in pages
    ]


def _find_uses(request: MemberRequest, shelf: Shelf, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Use]]:
    """The flows whose steps name these rows, by name."""
    tenant = request.seat.tenant
    steps = FlowStep.objects.for_tenant(tenant.pk).filter(**{f"{shelf.noun}_id__in": list(ids)})
    found: dict[uuid.UUID, dict[uuid.UUID, Use]] = {}
    columns = (f"{shelf.noun}_id", "flow_id", "flow__name", "flow__archived_at", "name")
    for row_id, flow_id, flow_name, archived_at, name in steps.order_by(
        Lower("flow__name"), "position"
    ).values_list(*columns):
        uses = found.setdefault(row_id, {})
        if flow_id not in uses:
            url = reverse("flows:flow-detail", args=[tenant.slug, flow_id])
            uses[flow_id] = Use(flow_name, url, archived_at is not None)
        uses[flow_id].steps.append(name)
    return {row_id: list(uses.values()) for row_id, uses in found.items()}


@require_safe
@for_members
def definition_detail(request: MemberRequest, shelf: Shelf, row_id: uuid.UUID) -> HttpResponse:
    """A skill or a profile, with the flows that use it."""
    row = _find(request, shelf, row_id)
    slug = request.seat.tenant.slug
    context = {
        "shelf": shelf,
        "row": row,
        "uses": _find_uses(request, shelf, [row.pk]).get(row.pk, []),
        "can_define": can_define(request.seat.membership, row),
        "secrets": _name_secrets(slug, row),
        "list_url": shelf.url("list", slug),
        "edit_url": shelf.url("edit", slug, row.pk),
        "action_url": shelf.url("action", slug, row.pk),
    }
    return render(request, "flows/definition_detail.html", context)


def _name_secrets(slug: str, row: Skill | Profile) -> list[tuple[str, str]]:
    names = row.env_secret_names if isinstance(row, Profile) else []
    return [(name, reverse("audit:secret-detail", args=[slug, name])) for name in names]


def _find(request: MemberRequest, shelf: Shelf, row_id: uuid.UUID) -> Skill | Profile:
    """The row of the seat's workspace. Raises Http404."""
    row = shelf.model._default_manager.filter(tenant_id=request.seat.tenant.pk, pk=row_id).first()
    if row is None:
        raise Http404(f"no such {shelf}")
    return row


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def definition_create(request: MemberRequest, shelf: Shelf) -> HttpResponse:
    """The form of a new one, for admins."""
    if not can_define(request.seat.membership):
        raise PermissionDenied(f"admins make a {shelf}")
    if request.method == "POST":
        return _answer(request, shelf, None)
    return _show(request, shelf, shelf.form(request.seat.tenant.pk), None)


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def definition_edit(request: MemberRequest, shelf: Shelf, row_id: uuid.UUID) -> HttpResponse:
    """The form of one as it is now; what is saved is its next version."""
    row = _find(request, shelf, row_id)
    if not can_define(request.seat.membership, row):
        raise PermissionDenied(f"admins change a {shelf}")
    if request.method == "POST":
        return _answer(request, shelf, row)
    return _show(request, shelf, shelf.form(row.tenant_id, row=row), row)


def _answer(request: MemberRequest, shelf: Shelf, row: Skill | Profile | None) -> HttpResponse:
    """Save: 422 with what is wrong at its field, 409 for a version that is not the newest."""
    form = shelf.form(request.seat.tenant.pk, request.POST, row=row)
    if not form.is_valid():
        return _show(request, shelf, form, row, status=422)
    try:
        saved = _save(request, shelf, form, row)
    except StaleVersion as stale:
        form.add_error(None, f"{stale} Open the {shelf} anew to see it; what you entered is still here.")
        return _show(request, shelf, form, row, status=409)
    except ValidationError as refused:
        form.refuse(refused.message_dict)
        return _show(request, shelf, form, row, status=422)
    if row is not None and saved.version == row.version:
        messages.info(request, "Nothing has changed.")
    else:
        messages.success(request, f"Saved as version {saved.version}.")
    return HttpResponseRedirect(shelf.url("detail", request.seat.tenant.slug, saved.pk))


def _save(
    request: MemberRequest, shelf: Shelf, form: DefinitionForm, row: Skill | Profile | None
) -> Skill | Profile:
    given: dict[str, Any] = {"actor": Actor.member(request.user), **form.cleaned_data}
    if row is None:
        return shelf.create(tenant_id=request.seat.tenant.pk, **given)
    seen = read_version(request.POST.get("version", "")) or 0
    return shelf.change(**{shelf.noun: row}, seen_version=seen, **given)


def _show(
    request: MemberRequest,
    shelf: Shelf,
    form: DefinitionForm,
    row: Skill | Profile | None,
    status: int = 200,
) -> HttpResponse:
    slug = request.seat.tenant.slug
    context = {
        "shelf": shelf,
        "form": form,
        "row": row,
        "version": request.POST.get("version", row.version if row else ""),
        "next_version": row.version + 1 if row else 1,
        "back_url": shelf.url("detail", slug, row.pk) if row else shelf.url("list", slug),
    }
    return render(request, "flows/definition_edit.html", context, status=status)


@require_POST
@for_members
def definition_action(request: MemberRequest, shelf: Shelf, row_id: uuid.UUID) -> HttpResponse:
    """Archive, restore or delete one; what something refers to is not deleted."""
    row = _find(request, shelf, row_id)
    if not can_define(request.seat.membership, row):
        raise PermissionDenied(f"admins change a {shelf}")
    slug, actor = request.seat.tenant.slug, Actor.member(request.user)
    match request.POST.get("action"):
        case "archive":
            services.archive_definition(row=row, actor=actor)
            messages.success(request, "Archived: steps that name it keep it, others are not given it.")
        case "restore":
            services.restore_definition(row=row, actor=actor)
            messages.success(request, "Restored: steps can be given it again.")
        case "delete":
            return _delete(request, shelf, row, actor)
        case _:
            problem = {"parameter": "action", "message": "none of archive, restore, delete"}
            return render(request, "400.html", {"problem": problem}, status=400)
    return HttpResponseRedirect(shelf.url("detail", slug, row.pk))


def _delete(request: MemberRequest, shelf: Shelf, row: Skill | Profile, actor: Actor) -> HttpResponse:
    slug = request.seat.tenant.slug
    try:
        services.delete_definition(row=row, actor=actor)
    except ValidationError as refused:
        messages.error(request, f"Not deleted: {refused.messages[0]}.")
        return HttpResponseRedirect(shelf.url("detail", slug, row.pk))
    messages.success(request, f"The {shelf} “{row}” is deleted.")
    return HttpResponseRedirect(shelf.url("list", slug))
