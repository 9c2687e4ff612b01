"""How a model is shown to the operator: read-only unless a service takes the change.

`OperatorAdmin` is the base of all; `WorkAdmin` shows a kind of session; `RecordAdmin` also lets its rows be
added and changed. Lists are in the order of the key, which is the order of time, since each other index
begins with the tenant and the operator looks over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import psycopg
from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.db import OperationalError, connection, transaction
from django.db.models import Model, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from workspace.actors import Actor
from workspace.models import User
from workspace.operating.actions import REFUSALS, explain_refusal, operator_of
from workspace.operating.filters import CreatedFilter, OwnerFilter, TenantFilter, read_key
from workspace.operating.forms import RecordForm
from workspace.operating.links import link_to_session
from workspace.operating.paging import OperatorChangeList, UncountedPaginator
from workspace.operating.searching import MIN_WORD_LENGTH, find_owner, find_session, narrow_by_words
from workspace.records import change_record, create_record

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

__all__ = [
    "MAX_SECONDS",
    "NamedAdmin",
    "OperatorAdmin",
    "PersonalAdmin",
    "RecordAdmin",
    "SessionRowsAdmin",
    "WorkAdmin",
]

#: A list that takes longer is stopped, so that no combination of filters can hold the database up.
MAX_SECONDS = 5
#: How many people the beginning of an address stands for in a search.
MAX_PEOPLE = 1000


class OperatorAdmin(ModelAdmin):
    """A model that is looked at: found, listed, shown whole, and changed by its actions alone.

    `add_fields` and `edit_fields` name what a form may hold; each other column is shown read-only, those in
    `hidden` not at all. Each word of a search must match one of `word_lookups`, which have an index to serve
    them and meet columns in lower case or do not look at case. An id finds the row itself and the rows below
    it: `parents` names foreign keys within the tenant. `tenant_ordering` is the order of the list once it is
    narrowed to one workspace, where an index serves it.
    """

    ordering = ("-pk",)
    sortable_by = ()
    list_per_page = 50
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = UncountedPaginator
    list_display: tuple[Any, ...] = ("__str__", "tenant", "created_at")
    list_filter: ClassVar[tuple[Any, ...]] = (TenantFilter, CreatedFilter)
    list_select_related: ClassVar[tuple[str, ...]] = ("tenant",)
    search_fields = ("pk",)
    search_help_text = "An id."

    add_fields: ClassVar[tuple[str, ...]] = ()
    edit_fields: ClassVar[tuple[str, ...]] = ()
    hidden: ClassVar[tuple[str, ...]] = ()
    extra_fields: ClassVar[tuple[str, ...]] = ()
    word_lookups: ClassVar[tuple[str, ...]] = ()
    parents: ClassVar[tuple[str, ...]] = ()
    tenant_ordering: ClassVar[tuple[str, ...]] = ()

    # --- Lists ----------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OperatorChangeList]:
        return OperatorChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Stops a list that takes too long, saying how to narrow it."""
        if request.method != "GET":
            return super().changelist_view(request, extra_context)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{MAX_SECONDS}s"])
                return super().changelist_view(request, extra_context)
        except OperationalError as problem:
            if not isinstance(problem.__cause__, psycopg.errors.QueryCanceled):
                raise
            context = {
                **self.admin_site.each_context(request),
                "title": "This list took too long",
                "opts": self.opts,
                "seconds": MAX_SECONDS,
            }
            return TemplateResponse(request, "admin/list_too_slow.html", context, status=503)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        key = read_key(term)
        if key is not None:
            return queryset.filter(self.q_about(key)), False
        words = term.split()
        if not self.word_lookups or all(len(word) < MIN_WORD_LENGTH for word in words):
            wanted = f"a word of {MIN_WORD_LENGTH} characters or more" if self.word_lookups else "an id"
            self.message_user(
                request, f"“{term}” finds nothing: search here takes {wanted}.", messages.WARNING
            )
            return queryset.none(), False
        return self.narrow_by_words(queryset, words), False

    def narrow_by_words(self, rows: QuerySet[Any], words: Sequence[str]) -> QuerySet[Any]:
        for word in words:
            one_of = Q.create([(name, word.lower()) for name in self.word_lookups], connector=Q.OR)
            rows = rows.filter(one_of)
        return rows

    def q_about(self, key: UUID) -> Q:
        """The rows that an id finds. Each condition names the tenant, as the indexes begin with it."""
        about = Q(pk=key)
        for name in self.parents:
            parent = self.opts.get_field(name).related_model
            found = find_owner(key, [parent]) if isinstance(parent, type) else None
            if found is not None:
                about |= Q(tenant_id=found[0], **{f"{name}_id": key})
        return about

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """What is shown nowhere cannot be guessed at by filtering either."""
        return lookup.partition("__")[0] not in self.hidden and super().lookup_allowed(lookup, value, request)

    # --- One row --------------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> Any:
        if obj is None:
            return self.add_fields
        return [*self.edit_fields, *self.get_readonly_fields(request, obj)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any | None = None) -> list[str]:
        if obj is None:
            return []
        columns = [field.name for field in (*self.opts.concrete_fields, *self.opts.many_to_many)]
        own = {*self.edit_fields, *self.hidden}
        return [*(name for name in columns if name not in own), *self.extra_fields]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(self.add_fields) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return bool(self.edit_fields) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False


class SessionRowsAdmin(OperatorAdmin):
    """Rows that say by `session_kind` and `session_id` which session they belong to."""

    search_help_text = "An id: its own, or that of the session."
    extra_fields: ClassVar[tuple[str, ...]] = ("session",)

    @admin.display(description="session")
    def session(self, obj: Any) -> str:
        return link_to_session(obj.session_kind, obj.session_id)

    def q_about(self, key: UUID) -> Q:
        about, place = super().q_about(key), find_session(key)
        if place is not None:
            about |= Q(tenant_id=place[0], session_kind=place[1], session_id=key)
        return about


class WorkAdmin(OperatorAdmin):
    """One kind of session. Its state is what its services made of it; its actions call them."""

    list_display: tuple[Any, ...] = (
        "title",
        "tenant",
        "status",
        "owner",
        "origin",
        "changed_at",
        "created_at",
    )
    list_filter: ClassVar[tuple[Any, ...]] = (TenantFilter, "status", "origin", OwnerFilter, CreatedFilter)
    list_select_related = ("tenant", "owner")
    search_help_text = "Words of title and error, or an id."
    word_lookups = ("search_text__contains",)
    hidden = ("search_text",)

    def narrow_by_words(self, rows: QuerySet[Any], words: Sequence[str]) -> QuerySet[Any]:
        return narrow_by_words(rows, [word.lower() for word in words], column="search_text")


class RecordAdmin(OperatorAdmin):
    """Rows that operators may also add and change, through services that put it on record."""

    form: type[ModelForm[Any]] = RecordForm

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except REFUSALS as refusal:
            self.message_user(request, explain_refusal(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        actor = operator_of(request)
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data}
            self.change(obj, values=values, actor=actor)
        else:
            obj.pk = self.create(obj, values=form.cleaned_data, actor=actor).pk

    def create(self, obj: Any, *, values: Mapping[str, Any], actor: Actor) -> Model:
        """Make the row of a valid form; returns it as the service stored it."""
        made: Model = create_record(obj, actor=actor)
        return made

    def change(self, obj: Any, *, values: Mapping[str, Any], actor: Actor) -> None:
        """Change what the form has changed; `obj` holds the new values already."""
        change_record(obj, values=values, actor=actor)


class NamedAdmin(RecordAdmin):
    """Rows of a workspace that people know by name."""

    list_display: tuple[Any, ...] = ("name", "tenant", "created_at")
    search_help_text = "Words of the name, or an id."
    word_lookups = ("name__icontains",)


class PersonalAdmin(OperatorAdmin):
    """Rows of a `user`, found by the beginning of the person's address."""

    search_help_text = "The beginning of an e-mail address, or an id."
    word_lookups = ("user__email__startswith",)

    def narrow_by_words(self, rows: QuerySet[Any], words: Sequence[str]) -> QuerySet[Any]:
        for word in words:
            rows = rows.filter(self.q_word(word))
        return rows

    def q_word(self, word: str) -> Q:
        """The people are looked up first: a condition over two tables could use an index of neither."""
        people = User.objects.filter(email__startswith=word.lower()).values_list("pk", flat=True)
        return Q(user__in=list(people[:MAX_PEOPLE]))
