"""One action for several sessions: what they ask side by side, decided once, done to each by itself."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from sessions_app.acting import Notice, perform_action, settle
from sessions_app.hydration import SessionKey, present_rows
from sessions_app.kinds import Action, Moment, Peek, SessionRow, Tone, read_version
from sessions_app.registry import all_kinds, get_kind
from workspace.access import MemberRequest, for_members

#: How many sessions are decided at once.
MOST_SELECTED = 100
#: How many characters of what they ask are shown, of all together and of each at the least; what they have in
#: common is shown once. Their own pages have the rest.
MOST_SHOWN, LEAST_SHOWN = 400_000, 4_000


@dataclass(frozen=True, slots=True)
class Offer:
    """An action that some of the selected sessions offer to this member; `count` says how many.

    Its label is theirs where all of them call it the same.
    """

    action: Action
    count: int
    is_chosen: bool
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text; `differs`: it does not stand in all that are compared."""

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing that is shown of a session before a decision."""

    label: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Choice:
    """One selected session, bound to what is shown of it; `aspects` are those in which the others differ."""

    row: SessionRow
    content_hash: str
    aspects: Sequence[Aspect]
    offered: Sequence[str]
    is_offered: bool


@dataclass(frozen=True, slots=True)
class Result:
    row: SessionRow
    notice: Notice


@require_http_methods(["GET", "HEAD", "POST"])
@for_members
def session_bulk(request: MemberRequest) -> HttpResponse:
    """The selected sessions (`s=kind:id`, repeated) side by side; a POST does one action to each of them.

    With `part=bar` only what they offer, which costs the same for many of them as for a few. 400 naming what
    is wrong with the selection. A session that has moved on, or is not this member's to act on, is skipped,
    and the answer says why.
    """
    try:
        keys = read_keys((request.POST if request.method == "POST" else request.GET).getlist("s"))
    except ValueError as wrong:
        problem = {"parameter": "s", "message": str(wrong), "clear_url": _list_url(request)}
        return render(request, "400.html", {"problem": problem}, status=400)
    objects = _read(request, keys)
    if request.method == "POST":
        return _perform(request, keys, objects)
    name = request.GET.get("action", "")
    offers = _offers(request, objects, name)
    context: dict[str, Any] = {"offers": offers, "count": len(objects), "list_url": _list_url(request)}
    if request.GET.get("part") == "bar":
        return render(request, "sessions_app/session_bulk.html#bar", context)
    choices, common = _compare(request, objects, name)
    context |= {
        "choices": choices,
        "common": common,
        "missing": len(keys) - len(objects),
        "wants_comment": any(offer.action.wants_comment for offer in offers),
    }
    return render(request, "sessions_app/session_bulk.html", context)


def read_keys(given: Sequence[str]) -> list[SessionKey]:
    """Each key once, in the order given. Raises ValueError in words for what is no selection."""
    kinds = {kind.key for kind in all_kinds()}
    found: dict[SessionKey, None] = {}
    for text in given:
        kind, _, session_id = text.partition(":")
        try:
            found[kind, uuid.UUID(session_id)] = None
        except ValueError:
            kind = ""
        if kind not in kinds:
            raise ValueError(f"“{text[:80]}” names no session")
    if not 1 <= len(found) <= MOST_SELECTED:
        raise ValueError(f"select 1 to {MOST_SELECTED} sessions, not {len(found)}")
    return list(found)


def _read(request: MemberRequest, keys: Iterable[SessionKey]) -> dict[SessionKey, Any]:
    """Those of the keys that the workspace has: one query for each kind."""
    keys = list(keys)
    by_kind: dict[str, list[uuid.UUID]] = defaultdict(list)
    for kind, session_id in keys:
        by_kind[kind].append(session_id)
    found = {
        (kind, session_id): obj
        for kind, ids in by_kind.items()
        for session_id, obj in get_kind(kind).hydrate(request.seat.tenant.pk, ids).items()
    }
    return {key: found[key] for key in keys if key in found}


def _actions(request: MemberRequest, key: SessionKey, obj: Any) -> list[Action]:
    """What can be done here without a page of its own."""
    return [each for each in get_kind(key[0]).actions(obj, request.seat.membership) if not each.link]


def _offers(request: MemberRequest, objects: Mapping[SessionKey, Any], chosen: str) -> list[Offer]:
    found: dict[str, list[Action]] = {}
    for key, obj in objects.items():
        for action in _actions(request, key, obj):
            found.setdefault(action.name, []).append(action)
    offers = []
    for name, actions in found.items():
        labels = {action.label for action in actions}
        label = labels.pop() if len(labels) == 1 else name.capitalize()
        offers.append(Offer(actions[0], len(actions), name == chosen, label))
    return sorted(offers, key=lambda offer: (-offer.count, offer.action.is_danger))


def _compare(
    request: MemberRequest, objects: Mapping[SessionKey, Any], chosen: str
) -> tuple[list[Choice], list[Aspect]]:
    """The sessions with what differs between them, and what is the same for all."""
    rows = _rows(request, objects)
    peeks = {key: get_kind(key[0]).peek(obj, among=len(objects)) for key, obj in objects.items()}
    texts = {key: _texts(peek) for key, peek in peeks.items()}
    labels = list(dict.fromkeys(label for each in texts.values() for label in each))
    shared = (
        {label for label in labels if len({each.get(label) for each in texts.values()}) == 1}
        if len(texts) > 1
        else set()
    )
    everywhere = {label: _shared_lines(label, texts.values()) for label in labels if label not in shared}
    most = max(LEAST_SHOWN, MOST_SHOWN // max(1, len(texts)))
    choices = []
    for key, obj in objects.items():
        own = {label: text for label, text in texts[key].items() if label not in shared}
        offered = _actions(request, key, obj)
        choices.append(
            Choice(
                row=rows[key],
                content_hash=peeks[key].content_hash,
                aspects=list(_show(own, everywhere, most)),
                offered=[action.label for action in offered],
                is_offered=not chosen or any(action.name == chosen for action in offered),
            )
        )
    first = next(iter(texts.values()), {})
    return choices, list(_show({label: first[label] for label in labels if label in shared}, {}, MOST_SHOWN))


def _texts(peek: Peek) -> dict[str, str]:
    """What a peek shows, by what it is called."""
    said = {"Asks": f"{peek.title}\n{peek.text}".strip()}
    return said | {part.label: part.text for part in peek.parts}


def _shared_lines(label: str, texts: Iterable[Mapping[str, str]]) -> set[str]:
    """The lines that stand in what each of them shows under a label."""
    return set.intersection(*(set(each.get(label, "").splitlines()) for each in texts))


def _show(texts: Mapping[str, str], everywhere: Mapping[str, set[str]], most: int) -> Iterator[Aspect]:
    """What is shown of these texts in about `most` characters; what one leaves unused is for those after it.

    Lines that do not stand `everywhere`, where that is known of the label, differ.
    """
    for number, (label, text) in enumerate(texts.items()):
        lines = list(_cut(text, most // (len(texts) - number), everywhere.get(label)))
        most -= sum(len(line.text) for line in lines)
        yield Aspect(label, lines)


def _cut(text: str, most: int, shared: set[str] | None) -> Iterator[Line]:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        differs = shared is not None and line not in shared
        if len(line) > most:
            yield Line(f"{line[:most]}…", differs)
            if rest := len(lines) - number - 1:
                yield Line(f"… {rest} more {'line' if rest == 1 else 'lines'}: open it to see all", False)
            return
        most -= len(line) + 1
        yield Line(line, differs)


def _perform(
    request: MemberRequest, keys: Collection[SessionKey], objects: Mapping[SessionKey, Any]
) -> HttpResponse:
    """Each session by itself: what is refused for one changes nothing for the others."""
    name = request.POST.get("action", "")
    notices = {key: _perform_one(request, key, obj, name) for key, obj in objects.items()}
    by_now = _read(request, keys)
    done = {key for key, notice in notices.items() if notice.tone == Tone.SUCCESS}
    settle(request, {key: obj for key, obj in by_now.items() if key in done})
    rows = _rows(request, by_now)
    results = [Result(rows[key], notice) for key, notice in notices.items() if key in rows]
    context = {
        "results": results,
        "done": len(done),
        "skipped": len(keys) - len(done),
        "missing": len(keys) - len(results),
        "list_url": _list_url(request),
    }
    return render(request, "sessions_app/session_bulk.html", context, status=200 if done else 409)


def _perform_one(request: MemberRequest, key: SessionKey, obj: Any, name: str) -> Notice:
    kind = get_kind(key[0])
    text = f"{key[0]}:{key[1]}"
    version = read_version(request.POST.get(f"version:{text}", ""))
    if version is None:
        return Notice(Tone.ATTENTION, "Not done: the page did not say what you saw of it.")
    try:
        return perform_action(
            request,
            kind,
            obj,
            name=name,
            version=version,
            content_hash=request.POST.get(f"hash:{text}", ""),
        )
    except PermissionDenied:
        return Notice(Tone.ATTENTION, "Not done: it does not offer this to you.")


def _rows(request: MemberRequest, objects: Mapping[SessionKey, Any]) -> dict[SessionKey, SessionRow]:
    tenant = request.seat.tenant
    return present_rows(tenant, objects, Moment.of(tenant, timezone.now()), objects)


def _list_url(request: MemberRequest) -> str:
    return reverse("sessions_app:session-list", args=[request.seat.tenant.slug])
