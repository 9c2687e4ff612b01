"""Reading a list's parameters: what they may be, and one error that names each that is wrong."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from sessions_app.cursors import BadCursor, Cursor
from sessions_app.filters import EXCLUDE, HAS, IDS, MULTIPLE, TABS, UPDATED, Filters, Picks
from sessions_app.kinds import Origin, Tone
from sessions_app.references import find_references
from sessions_app.registry import all_kinds
from workspace.models import Membership

__all__ = ["BadParameter", "ListRequest", "Problem", "SessionFilterSet", "read_parameters"]

MOST_VALUES = 100
MOST_WORDS = 10
LEAST_LETTERS = 3
LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """One parameter that cannot be honoured: its name, what was given, and why not, in words."""

    parameter: str
    value: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.parameter}={self.value}: {self.reason}"
            if self.value
            else f"{self.parameter}: {self.reason}"
        )


class BadParameter(ValueError):
    """Parameters that cannot be honoured, all of them; the first also as `parameter`, `value`, `reason`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        self.parameter, self.value, self.reason = first.parameter, first.value, first.reason
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What one address asks for: the filters, and the place in the list (None: its beginning)."""

    filters: Filters
    cursor: Cursor | None = None


def read_parameters(
    params: QueryDict,
    *,
    tenant_id: uuid.UUID,
    me_id: uuid.UUID | None = None,
    zone: tzinfo = UTC,
    also: Collection[str] = (),
) -> ListRequest:
    """The list that these parameters ask for. Raises `BadParameter` for all that cannot be honoured.

    Empty values count as not given, as forms send them. `owner=me` means `me_id`; dates and times without a
    zone are of `zone`; `also` names further parameters that the caller reads itself. An owner, initiative or
    plan must be of this tenant: each of the three that is given costs a query or two.
    """
    given = QueryDict(mutable=True)
    for name, values in params.lists():
        if filled := [value for value in values if value != ""]:
            given.setlist(name, filled)
    # Most requests ask for the whole list or the next page of it: no form is made for them.
    if given.keys() <= {"cursor"} and (plain := _read_place(given.getlist("cursor"))):
        return plain
    filter_set = SessionFilterSet(
        given, Membership.objects.for_tenant(tenant_id), tenant_id=tenant_id, me_id=me_id, zone=zone
    )
    return filter_set.read(also=frozenset(also))


def _read_place(texts: list[str]) -> ListRequest | None:
    """The whole list, at a cursor if one is given; None for what the form is to complain about."""
    try:
        return ListRequest(Filters(), Cursor.decode(texts[0]) if texts else None) if len(texts) < 2 else None
    except BadCursor:
        return None


class ManyField(forms.Field):
    """A repeated parameter: a tuple of what `parse` makes of each value, without repetitions."""

    widget = forms.SelectMultiple

    def __init__(self, *, parse: Callable[[str], Any], **kwargs: Any) -> None:
        self.parse = parse
        super().__init__(**kwargs)

    def to_python(self, value: list[str] | None) -> tuple[Any, ...]:
        found: dict[Any, None] = {}
        problems: list[ValidationError] = []
        for text in value or ():
            try:
                found[self.parse(text)] = None
            except ValidationError as error:
                problems.append(ValidationError(error.message, params={"value": text}))
        if len(found) > MOST_VALUES:
            problems.append(_bad(f"at most {MOST_VALUES} values", ""))
        if problems:
            raise ValidationError(problems)
        return tuple(found)


class OneField(forms.Field):
    """A parameter given once: what `parse` makes of it, or None."""

    widget = forms.SelectMultiple

    def __init__(self, *, parse: Callable[[str], Any], **kwargs: Any) -> None:
        self.parse = parse
        super().__init__(**kwargs)

    def to_python(self, value: list[str] | None) -> Any:
        if not value:
            return None
        if len(value) > 1:
            raise _bad("it may be given once", value[-1])
        try:
            return self.parse(value[0])
        except ValidationError as error:
            raise _bad(error.message, value[0]) from error


class ManyFilter(django_filters.Filter):  # type: ignore[misc]
    """Declares a repeated parameter."""

    field_class = ManyField


class OneFilter(django_filters.Filter):  # type: ignore[misc]
    """Declares a parameter that is given once."""

    field_class = OneField


def read_text(text: str) -> str:
    if "\0" in text or (not text.isascii() and any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)):
        raise ValidationError("it holds a character that no text has")
    if len(text) > LONGEST_TEXT:
        raise ValidationError(f"it is longer than {LONGEST_TEXT} characters")
    return text


def read_reference(text: str) -> uuid.UUID | str:
    """An id, or the text that another kind of name is looked up by."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return read_text(text)


def read_choice(text: str, choices: Callable[[], Collection[str]]) -> str:
    known = choices()
    if text not in known:
        raise ValidationError(f"it is none of {', '.join(sorted(known))}")
    return text


def read_kind(text: str) -> str:
    return read_choice(text, lambda: [kind.key for kind in all_kinds()])


def read_status(text: str) -> str:
    return read_choice(text, lambda: {status for kind in all_kinds() for status in kind.statuses})


read_tone = partial(read_choice, choices=lambda: [tone.value for tone in Tone])
read_origin = partial(read_choice, choices=lambda: Origin.values)
read_has = partial(read_choice, choices=lambda: HAS)
read_updated = partial(read_choice, choices=lambda: UPDATED)


def read_tab(text: str) -> str:
    return "" if text == "all" else read_choice(text, lambda: {"all", *TABS})


def read_instant(text: str) -> datetime:
    """A date (its midnight) or a time; without a zone it is naive, and of the reader's zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValidationError("it is no date or time such as 2026-03-01 or 2026-03-01T14:30") from error
    if not 1900 <= instant.year < 2200:
        raise ValidationError("its year is not between 1900 and 2200")
    return instant


def read_words(text: str) -> tuple[str, ...]:
    """The distinct words, whatever their case; each can be found through an index of three-letter pieces."""
    first: dict[str, str] = {}
    for word in read_text(text).split():
        first.setdefault(word.casefold(), word)
    words = tuple(first.values())
    for word in words:
        if len(word) < LEAST_LETTERS:
            raise ValidationError(f"the word “{word}” has fewer than {LEAST_LETTERS} characters")
    if len(words) > MOST_WORDS:
        raise ValidationError(f"it has more than {MOST_WORDS} words")
    if words and not any(_has_letters(word) for word in words):
        raise ValidationError(f"it has no word with {LEAST_LETTERS} letters or digits in a row")
    return words


def _has_letters(word: str) -> bool:
    spaced = "".join(letter if letter.isalnum() else " " for letter in word)
    return any(len(run) >= LEAST_LETTERS for run in spaced.split())


def read_cursor(text: str) -> Cursor:
    try:
        return Cursor.decode(text)
    except BadCursor as error:
        raise ValidationError(str(error)) from error


class SessionFilterSet(django_filters.FilterSet):  # type: ignore[misc]
    """Every parameter that a list of sessions takes. Its queryset is the tenant's memberships."""

    owner = ManyFilter(parse=read_reference)
    not_owner = ManyFilter(parse=read_reference)
    kind = ManyFilter(parse=read_kind)
    not_kind = ManyFilter(parse=read_kind)
    tone = ManyFilter(parse=read_tone)
    not_tone = ManyFilter(parse=read_tone)
    status = ManyFilter(parse=read_status)
    not_status = ManyFilter(parse=read_status)
    initiative = ManyFilter(parse=read_reference)
    not_initiative = ManyFilter(parse=read_reference)
    plan = ManyFilter(parse=read_reference)
    not_plan = ManyFilter(parse=read_reference)
    origin = ManyFilter(parse=read_origin)
    not_origin = ManyFilter(parse=read_origin)
    repo = ManyFilter(parse=read_text)
    not_repo = ManyFilter(parse=read_text)
    has = ManyFilter(parse=read_has)
    not_has = ManyFilter(parse=read_has)
    updated = OneFilter(parse=read_updated)
    updated_after = OneFilter(parse=read_instant)
    updated_before = OneFilter(parse=read_instant)
    q = OneFilter(parse=read_words)
    tab = OneFilter(parse=read_tab)
    cursor = OneFilter(parse=read_cursor)

    def __init__(
        self,
        data: QueryDict,
        queryset: Any,
        *,
        tenant_id: uuid.UUID,
        me_id: uuid.UUID | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        super().__init__(data, queryset)
        self.tenant_id, self.me_id, self.zone = tenant_id, me_id, zone

    def read(self, *, also: Collection[str] = ()) -> ListRequest:
        """The list asked for. Raises `BadParameter` with every problem there is."""
        problems = [*self._unknown(also), *self._malformed()]
        values = {name: value for name, value in self.form.cleaned_data.items() if value}
        values |= self._resolved(values, problems)
        for name in ("updated_after", "updated_before"):
            if name in values:
                values[name] = _aware(values[name], self.zone)
        problems += _contradictions(values)
        if problems:
            raise BadParameter(problems)
        picks: dict[str, Any] = {
            name: Picks(frozenset(values.get(name, ())), frozenset(values.get(EXCLUDE + name, ())))
            for name in MULTIPLE
        }
        single = {n: values[n] for n in ("updated", "updated_after", "updated_before", "tab") if n in values}
        filters = Filters(**picks, **single, words=values.get("q", ()))
        return ListRequest(filters, values.get("cursor"))

    def _unknown(self, also: Collection[str]) -> Iterator[Problem]:
        for name in self.data:
            if name not in self.filters and name not in also:
                yield Problem(
                    name[:LONGEST_TEXT],
                    "",
                    f"there is no such parameter; there are {', '.join(self.filters)}",
                )

    def _malformed(self) -> Iterator[Problem]:
        for name, errors in self.form.errors.as_data().items():
            for error in errors:
                yield Problem(name, (error.params or {}).get("value", ""), error.message)

    def _resolved(self, values: dict[str, Any], problems: list[Problem]) -> dict[str, tuple[uuid.UUID, ...]]:
        """Ids for all that was given as owner, initiative or plan; what is not the tenant's is a problem."""
        found: dict[str, tuple[uuid.UUID, ...]] = {}
        for name in sorted(IDS):
            names = [given for given in (name, EXCLUDE + name) if given in values]
            wanted = {reference for given in names for reference in values[given]}
            ids = find_references(name, wanted, tenant_id=self.tenant_id, me_id=self.me_id) if wanted else {}
            for given in names:
                known = [ids[reference] for reference in values[given] if reference in ids]
                found[given] = tuple(dict.fromkeys(known))
                for reference in values[given]:
                    if reference not in ids:
                        problems.append(Problem(given, str(reference), _unknown_reference(name, reference)))
        return found


def _unknown_reference(name: str, reference: uuid.UUID | str) -> str:
    if name == "owner":
        return (
            "nobody is signed in" if reference == "me" else "it is nobody's id or address in this workspace"
        )
    return f"it is no {name} of this workspace, by id or by name"


def _aware(instant: datetime, zone: tzinfo) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)


def _contradictions(values: dict[str, Any]) -> Iterator[Problem]:
    """What would give an empty list without saying why."""
    for name in MULTIPLE:
        for value in values.get(name, ()):
            if value in values.get(EXCLUDE + name, ()):
                yield Problem(EXCLUDE + name, str(value), f"it is asked for by {name} as well")
    after, before = values.get("updated_after"), values.get("updated_before")
    if after and before and after >= before:
        yield Problem("updated_before", before.isoformat(), "it is not later than updated_after")


def _bad(reason: object, value: str) -> ValidationError:
    return ValidationError(str(reason), params={"value": value})
