"""Codex's session files, called rollouts: one file per thread, sub-threads included.

A record has an envelope of time, type and payload; files of 2025's summer hold bare payloads after a first
line about the session. What was said stands in response items, how turns went in events. The rules are
explained in `docs/readers.md`.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from audit.entries import JSON, EntryKind, NewRecord, RunFacts
from intake.readers.base import ChildHint, Format, Problem, ReadContext, ReadRecord, Severity
from intake.readers.claude_blocks import content_text
from intake.readers.codex_events import read_event
from intake.readers.codex_facts import facts_of_meta, facts_of_turn
from intake.readers.codex_items import ITEM_TYPES, add_from_agent, read_item
from intake.readers.codex_lineage import Lineage, Owner, Thread
from intake.readers.codex_memory import Memory, Totals
from intake.readers.fields import Object, name_of, number_of, object_of, objects_of, text_of
from intake.readers.jsonl import Decoded, Splitter
from intake.readers.meaning import Meaning, believed_time

KEY = "codex"
_HELD_BACK = 1_000
_ID_AT_END = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_RECENT = 20_000
_MOST_LOOKS = 100_000
_ENVELOPES = frozenset(
    {"session_meta", "turn_context", "response_item", "event_msg", "compacted", "world_state",
     "inter_agent_communication", "inter_agent_communication_metadata", "token_usage_record", "state"}
)  # fmt: skip
# Kept as they are, with nothing in them to show.
_SILENT = frozenset({"world_state", "inter_agent_communication_metadata", "token_usage_record", "state"})
# Fields that tell records apart and hold ids or words of the format, never a text.
_IDS = ("call_id", "turn_id")
_TELLING = ("type", "role")


def recognises(records: Sequence[JSON]) -> bool:
    """Whether some of these first objects of a file are records of Codex."""
    has_bare_meta = False
    for record in records:
        if not isinstance(record, dict):
            continue
        if text_of(record, "type") in _ENVELOPES and isinstance(record.get("payload"), dict):
            return True
        has_bare_meta = has_bare_meta or _is_bare_meta(record) or _is_document(record)
    return has_bare_meta


def _is_bare_meta(record: Object) -> bool:
    """Whether it is the first line of a file of 2025's summer."""
    return (
        "type" not in record
        and "instructions" in record
        and bool(text_of(record, "id"))
        and bool(text_of(record, "timestamp"))
    )


def _is_document(record: Object) -> bool:
    """Whether it is a whole session in one object, as the program's first edition wrote it in spring 2025."""
    return bool(text_of(object_of(record, "session"), "id")) and isinstance(record.get("items"), list)


class CodexReader:
    """Reads one file, and what is added to it later: call `read` again with the stream at `offset`."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._splitter = Splitter()
        self._lineage = Lineage()
        self._memories: dict[tuple[str, str], Memory] = {}
        self._totals = Totals()
        self._keys = _Keys()
        self._has_told_fork = False

    @property
    def offset(self) -> int:
        return self._splitter.offset

    def read(self, stream: BinaryIO) -> Iterator[ReadRecord]:
        """Yield the records of the stream. Those before the session is named wait for that."""
        held: list[Decoded] = []
        for decoded in self._splitter.split(stream):
            held.append(decoded)
            if self._lineage.own is None and isinstance(decoded.value, dict):
                kind, payload = _opened(decoded.value)
                meta = object_of(payload, "session") if kind == "document" else payload
                if kind in ("session_meta", "document") and text_of(meta, "id"):
                    self._lineage.announce(meta)
            if self._lineage.own is not None or len(held) >= _HELD_BACK:
                yield from map(self._record, held)
                held.clear()
        yield from map(self._record, held)

    def _record(self, decoded: Decoded) -> ReadRecord:
        own = self._lineage.own or Thread(_named(self._context.name))
        base = ReadRecord(
            ordinal=decoded.ordinal,
            line=decoded.line,
            end=decoded.end,
            session_id=own.key[0],
            agent_id=own.key[1],
            problems=decoded.problems,
        )
        if decoded.is_lost:
            return base
        if not isinstance(decoded.value, dict):
            problem = Problem(Severity.LOST, decoded.line, "not an object")
            return replace(base, problems=(*decoded.problems, problem))
        return self._meaningful(base, own, decoded.value)

    def _meaningful(self, base: ReadRecord, own: Thread, body: dict[str, JSON]) -> ReadRecord:
        kind, payload = _opened(body)
        written_at, late = believed_time(body, self._context.now, base.line)
        number = number_of(body, "ordinal")
        owner = (
            self._lineage.meta(own, payload, written_at)
            if kind == "session_meta"
            else self._lineage.owner(own, payload, written_at, number)
        )
        # A sub-thread's copies are what it was told of its parent's work; the parent tells that itself.
        is_context = owner.is_copied and bool(own.parent)
        key = own.key if is_context else owner.thread.key
        at = min(owner.at, self._context.now) if owner.at else None
        meaning = Meaning(
            self._keys.key_of(kind, payload, owner.thread, number), base.ordinal, base.line, at, problems=late
        )
        facts = self._read(kind, payload, meaning, owner)
        record_type = f"{kind}/{text_of(payload, 'type')}".rstrip("/")[:60]
        native = NewRecord(ordinal=base.ordinal, native_id="", record_type=record_type, body=body)
        is_copy = owner.is_copied and not is_context
        base = replace(base, session_id=key[0], agent_id=key[1], record=native, is_copy=is_copy)
        problems = (*base.problems, *meaning.problems)
        if is_context:
            return replace(base, problems=problems)
        return replace(
            base,
            at=at,
            entries=tuple(meaning.entries),
            usage=meaning.usage,
            facts=facts,
            turn=meaning.turn,
            titles=tuple(meaning.titles),
            children=tuple(_started_by(key[1], child) for child in meaning.children),
            problems=problems,
        )

    def _read(self, kind: str, payload: Object, meaning: Meaning, owner: Owner) -> RunFacts | None:
        memory = self._memories.setdefault(owner.thread.key, Memory())
        if not owner.is_copied:
            self._tell_fork(meaning)
        if kind == "session_meta":
            return self._meta(payload, meaning, owner)
        if kind == "turn_context":
            memory.model = name_of(payload, "model") or memory.model
            return facts_of_turn(payload, KEY)
        if kind == "document":
            for index, item in enumerate(objects_of(payload, "items")):
                meaning.key = f"#item:{index}"
                read_item(item, meaning, memory)
            return facts_of_meta(object_of(payload, "session"), KEY)
        self._read_said(kind, payload, meaning, memory)
        return None

    def _read_said(self, kind: str, payload: Object, meaning: Meaning, memory: Memory) -> None:
        if kind == "response_item":
            read_item(payload, meaning, memory)
        elif kind == "event_msg":
            read_event(payload, meaning, memory, self._totals)
        elif kind == "compacted":
            memory.tell()
            said = text_of(payload, "message").strip()
            text = f"Conversation compacted\n\n{said}" if said else "Conversation compacted"
            meaning.add(EntryKind.SYSTEM, 0, role="system", text=text, is_meta=True)
        elif kind == "inter_agent_communication":
            memory.tell()
            add_from_agent(payload, content_text(payload.get("content")), meaning)
        elif kind not in _SILENT:
            meaning.problems.append(Problem(Severity.UNKNOWN, meaning.line, "unknown type of record"))

    def _meta(self, payload: Object, meaning: Meaning, owner: Owner) -> RunFacts:
        thread = owner.thread
        if thread.parent and not owner.is_copied:
            parent = thread.parent if thread.parent != thread.root else ""
            meaning.children.append(ChildHint(agent_id=thread.id, agent_type=thread.role, parent=parent))
        return facts_of_meta(payload, KEY)

    def _tell_fork(self, meaning: Meaning) -> None:
        """Say once, in its own transcript, what a fork came from."""
        origin = self._lineage.origin
        if origin and not self._has_told_fork and not (self._lineage.own and self._lineage.own.parent):
            self._has_told_fork = True
            meaning.tell_fork(origin)


def _named(name: str) -> str:
    """The session that a file's name names, for one whose records do not: such names end in its id."""
    found = _ID_AT_END.search(name)
    return found[0] if found else name[:200] or KEY


def _started_by(agent_id: str, child: ChildHint) -> ChildHint:
    """What a thread says of others is of those that it started; of itself it says what started it."""
    return child if child.agent_id == agent_id else replace(child, parent=agent_id)


class _Keys:
    """What the ids of a record's entries begin with: what its structure says, its length, and a count.

    A copy in a fork has new times and, in some versions, ids that the original lacks. So neither counts here,
    but type, role, the ids of call and turn, the length of the text, and the place among the records of the
    thread that look alike: of those without an id a hundred thousand sorts are remembered. Where threads are
    not copied but may go on in another file, records have a number, which counts too.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._named: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def key_of(self, kind: str, payload: Object, thread: Thread, number: int | None) -> str:
        look = [kind, *(text_of(payload, key) for key in _TELLING)]
        ids = [f"={text}" for key in _IDS if 0 < len(text := text_of(payload, key)) <= 60]
        if thread.is_paginated and number is not None:
            look.append(f"no{number}")
        look = [*(text for text in look if 0 < len(text) <= 60), *ids]
        texts = [content_text(payload.get(key)) for key in ("content", "summary", "message", "text")]
        look.append(str(sum(map(len, texts))))
        # Ids crowd out what comes up again and again, were they counted together.
        counts, limit = (self._named, _RECENT) if ids else (self._counts, _MOST_LOOKS)
        count = counts.pop((thread.id, *look), 0) + 1
        counts[thread.id, *look] = count
        if len(counts) > limit:
            counts.popitem(last=False)
        return f"#{':'.join(look)}:{count}"


def _opened(body: Object) -> tuple[str, Object]:
    """A record's type and its payload; a bare payload says its type itself."""
    kind = text_of(body, "type")
    if isinstance(body.get("payload"), dict):
        return kind, object_of(body, "payload")
    if kind in ITEM_TYPES:
        return "response_item", body
    if not kind and text_of(body, "record_type") == "state":
        return "state", body
    if _is_document(body):
        return "document", body
    return ("session_meta", body) if _is_bare_meta(body) else (kind, body)


FORMAT = Format(key=KEY, label="Codex", recognises=recognises, reader=CodexReader)
