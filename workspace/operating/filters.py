"""Filters that stay fast on big tables: none asks a table for its distinct values, each meets an index."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, ChangeList
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from workspace.models import Membership, Tenant, User

__all__ = [
    "CreatedFilter",
    "EntryFilter",
    "OwnerFilter",
    "TenantFilter",
    "by_reference",
    "first_key_at",
    "read_key",
]


def read_key(text: str) -> uuid.UUID | None:
    """The id that the text is, in whichever of its forms it was pasted; None for other text."""
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def first_key_at(moment: datetime) -> uuid.UUID:
    """The lowest UUIDv7 of that millisecond: our keys carry the time of their making, so they index it."""
    return uuid.UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))


class EntryFilter(admin.ListFilter, ABC):
    """A filter that people type a value into, since its table is too long to choose from.

    `read` turns the entry into what `narrow` needs and returns what is wrong with it, or "". A wrong entry
    says so beside the field and lists nothing.
    """

    template = "admin/entry_filter.html"
    parameter_name: str
    hint: str

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.request, self.model = request, model
        self.entry = params.pop(self.parameter_name, [""])[-1].strip()
        own = {self.parameter_name, PAGE_VAR, ERROR_FLAG}
        self.others = [
            (name, value) for name, values in request.GET.lists() for value in values if name not in own
        ]
        self.problem = self.read(self.entry) if self.entry else ""

    @abstractmethod
    def read(self, entry: str) -> str: ...

    @abstractmethod
    def narrow(self) -> Q: ...

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """The one link that a typed filter has: back to everything."""
        yield {
            "selected": not self.entry,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "All",
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.problem:
            return queryset.none()
        return queryset.filter(self.narrow()) if self.entry else queryset


class TenantFilter(EntryFilter):
    """By workspace: its slug, or its id."""

    title = "workspace"
    parameter_name = "workspace"
    hint = "slug or id"
    tenant: Tenant | None = None

    def read(self, entry: str) -> str:
        key = read_key(entry)
        self.tenant = Tenant.objects.filter(Q(pk=key) if key else Q(slug=entry.lower())).first()
        return "" if self.tenant else f"There is no workspace “{entry}”."

    def narrow(self) -> Q:
        return Q(tenant=self.tenant)


class OwnerFilter(EntryFilter):
    """By the person who owns the row. Without a workspace chosen: in those that they are a member of."""

    title = "owner"
    parameter_name = "owner_email"
    hint = "e-mail address"
    owner: User | None = None

    def read(self, entry: str) -> str:
        self.owner = User.objects.filter(email=entry.lower()).first()
        return "" if self.owner else f"Nobody has the address “{entry}”."

    def narrow(self) -> Q:
        if self.request.GET.get(TenantFilter.parameter_name):
            return Q(owner=self.owner)
        # Each index begins with the tenant: without one named, a person's rows could not be looked up.
        tenants = Membership.objects.filter(user=self.owner).values_list("tenant_id", flat=True)
        return Q(tenant__in=list(tenants), owner=self.owner)


class ReferenceFilter(EntryFilter):
    """By the row that a foreign key points to; made by `by_reference`."""

    field_name: str
    hint = "id"
    key: uuid.UUID | None = None
    tenant_id: uuid.UUID | None = None

    def read(self, entry: str) -> str:
        self.key = read_key(entry)
        if self.key is None:
            return f"“{entry}” is no id."
        parent: Any = self.model._meta.get_field(self.field_name).related_model
        self.tenant_id = parent.objects.filter(pk=self.key).values_list("tenant_id", flat=True).first()
        return "" if self.tenant_id else f"There is no {parent._meta.verbose_name} {self.key}."

    def narrow(self) -> Q:
        return Q(tenant_id=self.tenant_id, **{f"{self.field_name}_id": self.key})


def by_reference(field_name: str) -> type[ReferenceFilter]:
    """A filter by the id of the row that `field_name`, a foreign key within a tenant, points to."""
    names = {"field_name": field_name, "parameter_name": field_name, "title": field_name.replace("_", " ")}
    return type(f"{field_name.title().replace('_', '')}Filter", (ReferenceFilter,), names)


class CreatedFilter(admin.SimpleListFilter):
    """By the time of making, read from the key: no column of its own needs an index for it."""

    title = "created"
    parameter_name = "created"
    spans = {
        "hour": ("Past hour", timedelta(hours=1)),
        "day": ("Past day", timedelta(days=1)),
        "week": ("Past 7 days", timedelta(days=7)),
        "month": ("Past 30 days", timedelta(days=30)),
        "older": ("Before that", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.spans.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        if name not in self.spans:
            return queryset
        limit = first_key_at(timezone.now() - self.spans[name][1])
        return queryset.filter(pk__lt=limit) if name == "older" else queryset.filter(pk__gte=limit)
