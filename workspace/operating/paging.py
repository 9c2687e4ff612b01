"""Lists over tables of any size: newest first, never counted, each page as cheap as the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Page, PageNotAnInteger, Paginator
from django.db.models import BinaryField, GeneratedField, JSONField, QuerySet, TextField
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.http import HttpRequest

from workspace.operating.filters import TenantFilter

if TYPE_CHECKING:
    BasePaginator = Paginator[Any]
else:
    BasePaginator = Paginator

__all__ = ["OperatorChangeList", "UncountedPaginator"]

#: Columns that can be long: a list that does not show them does not read them.
LONG_FIELDS = (TextField, JSONField, BinaryField, GeneratedField)


class UncountedPaginator(BasePaginator):
    """Pages that know whether there is a next one and count nothing beyond it; for lists in widgets."""

    seen = 0

    def validate_number(self, number: Any) -> int:
        try:
            return max(1, int(number))
        except (TypeError, ValueError):
            raise PageNotAnInteger("That page number is not a number") from None

    def page(self, number: Any) -> Page[Any]:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        rows = list(self.object_list[first : first + self.per_page + 1])
        self.seen = first + len(rows)
        return Page(rows[: self.per_page], number, self)

    @property
    def count(self) -> int:
        """How many rows are known of: those up to the end of the page that was read, and one more if any."""
        if not self.seen:
            self.page(1)
        return self.seen

    @property
    def num_pages(self) -> int:
        return max(1, -(-self.count // self.per_page))


class OperatorChangeList(ChangeList):
    """One page of rows and whether there are older ones.

    The order is that of the admin class alone, since it is one that an index serves; nobody sorts by another.
    The page parameter is the key of the last row seen, so that the hundredth page costs what the first does.
    """

    has_older: bool
    result_list: list[Any]

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        in_tenant = getattr(self.model_admin, "tenant_ordering", ())
        is_narrowed = any(isinstance(spec, TenantFilter) and spec.tenant for spec in self.filter_specs)
        return list(in_tenant if in_tenant and is_narrowed else self.model_admin.get_ordering(request))

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        rows = self._after_cursor(rows, request.GET.get(PAGE_VAR, ""))
        return rows.defer(*self._long_columns())

    def get_results(self, request: HttpRequest) -> None:
        rows = list(self.queryset[: self.list_per_page + 1])
        self.has_older = len(rows) > self.list_per_page
        self.result_list = rows[: self.list_per_page]
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        self.is_first_page = PAGE_VAR not in request.GET
        self.newest_link = self.get_query_string()
        self.older_link = (
            self.get_query_string({PAGE_VAR: str(self.result_list[-1].pk)}) if self.has_older else ""
        )

    def _after_cursor(self, rows: QuerySet[Any], cursor: str) -> QuerySet[Any]:
        """The rows beyond the one whose key is `cursor`, in the order of the list."""
        if not cursor:
            return rows
        try:
            key = self.model._meta.pk.to_python(cursor)
        except ValidationError as problem:
            raise IncorrectLookupParameters(problem) from problem
        columns = [str(name).removeprefix("-") for name in rows.query.order_by]
        last = self.model._default_manager.filter(pk=key).values_list(*columns).first()
        if columns == ["pk"] or last is None:
            return rows.filter(pk__lt=key)
        return rows.filter(TupleLessThan(Tuple(*columns), last))

    def _long_columns(self) -> list[str]:
        """Columns that the list need not read: long ones that it does not show, all long ones beside it."""
        shown = {name for name in self.list_display if isinstance(name, str)}
        own = [field.name for field in self.opts.concrete_fields if isinstance(field, LONG_FIELDS)]
        related: list[tuple[str, Any]] = [
            (name, self.opts.get_field(name).related_model)
            for name in self.model_admin.list_select_related  # type: ignore[union-attr]
        ]
        beside = [
            f"{name}__{field.name}"
            for name, model in related
            for field in model._meta.concrete_fields
            if isinstance(field, LONG_FIELDS)
        ]
        return [*(name for name in own if name not in shown), *beside]
