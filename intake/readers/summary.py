"""Fold the records of a file into what a list shows of each session and of each of its sub-agents.

It holds a few numbers and texts per session and forgets the records: memory does not grow with the file, but
for windows of recent ids and the calls that are open.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime

from audit.entries import EntryKind, NewEntry, RunFacts, Usage
from intake.readers.base import ChildHint, ReadRecord, TitleHint, TitleRank, TurnHint, TurnState, prompt_mark

_WINDOW = 4_000
_TALKING = frozenset({EntryKind.MESSAGE, EntryKind.TOOL_CALL, EntryKind.TOOL_RESULT, EntryKind.FILE_EDIT})
_QUESTIONS = frozenset({"AskUserQuestion", "request_user_input"})
# Rules that say that a turn is over, and not how: after a failure or an interruption they say nothing new.
_SAYS_ONLY_THAT_IT_ENDED = frozenset({"turn_duration", "stop_hook_summary", "task_complete"})


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A tool call that has no result yet."""

    call_id: str
    tool_name: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a session is said to be in a state: the rule, the record (its ordinal) and what was seen there."""

    rule: str
    ordinal: int
    seen: str
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Tokens:
    """Sums over messages, each counted once."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """What one session, or one sub-agent of it, comes to so far. Nothing in it is redacted.

    `last_message_at` is the newest message of user or assistant, tool calls and results included. `messages`
    counts the texts that people see, `turns` the messages of the model, `records` those that are no copies
    from another file. `headline` is the text of the error or of the open question. `refused` are calls for a
    sub-agent that were turned down. `started_by` is what the same file tells of a sub-agent's start; for one
    that has a file of its own, `link_child` finds it.
    """

    session_id: str
    agent_id: str
    title: str = field(repr=False)
    first: RunFacts
    last: RunFacts
    first_at: datetime | None
    last_at: datetime | None
    last_message_at: datetime | None
    messages: int
    turns: int
    entries: int
    records: int
    tokens: Tokens
    open_calls: tuple[OpenCall, ...]
    state: TurnState
    evidence: Evidence
    headline: str = field(repr=False)
    children: tuple[ChildHint, ...]
    prompt_mark: int
    started_by: ChildHint | None = None
    refused: tuple[ChildHint, ...] = ()


class SummaryFold:
    """Takes a file's records in their order; `summaries` may be asked at any time."""

    def __init__(self) -> None:
        self._folds: dict[tuple[str, str], _Fold] = {}

    def add(self, record: ReadRecord) -> None:
        if record.record is None:
            return
        self._fold(record.session_id, record.agent_id).add(record)
        for child in record.children:
            self._fold(record.session_id, child.parent).add_child(child)

    def summaries(self) -> list[SessionSummary]:
        """One for each session and sub-agent that the records named, in the order of their first record."""
        found = [fold.summary(*key) for key, fold in self._folds.items() if fold.is_met]
        hints: dict[str, tuple[ChildHint, ...]] = {}
        for (session_id, _), fold in self._folds.items():
            hints[session_id] = (*hints.get(session_id, ()), *fold.children)
        return [_with_start(one, hints[one.session_id]) for one in found]

    def _fold(self, session_id: str, agent_id: str) -> "_Fold":
        return self._folds.setdefault((session_id, agent_id), _Fold())


class _Fold:
    def __init__(self) -> None:
        self.is_met = False
        self.records = 0
        self._entries = self._messages = self._turns = 0
        self._first = self._last = RunFacts()
        self._first_at: datetime | None = None
        self._last_at: datetime | None = None
        self._last_message_at: datetime | None = None
        self._titles = _Titles()
        self._turn = _Turn()
        self._tokens = _TokenSums()
        self._message_ids: OrderedDict[str, None] = OrderedDict()
        self.children: list[ChildHint] = []
        self._refused: list[ChildHint] = []
        self._prompt_mark = 0

    def add(self, record: ReadRecord) -> None:
        self.is_met = True
        self.records += not record.is_copy
        self._titles.add(record)
        if record.facts is not None:
            self._first = record.facts.updated_by(self._first)
            self._last = self._last.updated_by(record.facts)
        if record.at is not None:
            self._first_at = min(self._first_at or record.at, record.at)
            self._last_at = max(self._last_at or record.at, record.at)
        if record.usage is not None:
            self._tokens.add(record.usage)
            self._turns += _note(self._message_ids, record.usage.message_id)
        self._turn.add(record)
        for entry in record.entries:
            self._add_entry(entry)

    def _add_entry(self, entry: NewEntry) -> None:
        self._entries += 1
        if entry.role == "assistant":
            self._turns += _note(self._message_ids, entry.message_id)
        if entry.is_meta or entry.kind not in _TALKING:
            return
        if entry.occurred_at is not None:
            self._last_message_at = max(self._last_message_at or entry.occurred_at, entry.occurred_at)
        if entry.kind is EntryKind.MESSAGE:
            self._messages += 1
        if entry.kind is EntryKind.MESSAGE and entry.role == "user" and not self._prompt_mark:
            self._prompt_mark = prompt_mark(entry.text)

    def add_child(self, hint: ChildHint) -> None:
        """Merge what is told of one sub-agent in several places."""
        matches = [child for child in self.children if _is_same(child, hint)]
        if hint.never_ran:
            # Where an agent is known by its id, something ran all the same.
            refused = [child for child in matches if not child.agent_id]
            self._refused += (replace(_merged(child, hint), never_ran=True) for child in refused)
            self.children = [child for child in self.children if child not in refused]
            matches = [child for child in matches if child.agent_id]
            if not matches:
                return
        if not matches and hint.agent_id and hint.prompt_mark:
            waiting = (child for child in self.children if not child.agent_id)
            matches = [child for child in waiting if child.prompt_mark == hint.prompt_mark][:1]
        for match in matches:
            hint = _merged(match, hint)
        at = self.children.index(matches[0]) if matches else len(self.children)
        self.children = [child for child in self.children if child not in matches]
        self.children.insert(at, hint)

    def summary(self, session_id: str, agent_id: str) -> SessionSummary:
        hint, ordinal, calls = self._turn.outcome()
        return SessionSummary(
            session_id=session_id,
            agent_id=agent_id,
            title=self._titles.best(),
            first=self._first,
            last=self._last,
            first_at=self._first_at,
            last_at=self._last_at,
            last_message_at=self._last_message_at,
            messages=self._messages,
            turns=self._turns,
            entries=self._entries,
            records=self.records,
            tokens=self._tokens.total,
            open_calls=calls,
            state=hint.state,
            evidence=Evidence(hint.rule, ordinal, hint.seen, hint.is_certain),
            headline=hint.headline,
            children=tuple(self.children),
            prompt_mark=self._prompt_mark,
            refused=tuple(self._refused),
        )


class _Turn:
    """The state of the last turn, by the last record that says something about it, and the open calls."""

    def __init__(self) -> None:
        self._hint = TurnHint(TurnState.TURN_OVER, "no_turn", "no message yet", is_certain=False)
        self._ordinal = 0
        self._before = (self._hint, 0)
        self._calls: OrderedDict[str, OpenCall] = OrderedDict()
        self._questions: dict[str, tuple[int, str]] = {}

    def add(self, record: ReadRecord) -> None:
        if record.turn is not None:
            self._take(record.turn, record.ordinal)
        for entry in record.entries:
            self._pair(entry, record)

    def _take(self, hint: TurnHint, ordinal: int) -> None:
        if hint.rule == "command_output":
            # What ran a command inside the program began no turn of the model.
            if self._hint.rule == "command":
                self._hint, self._ordinal = self._before
            return
        has_ended = self._hint.state in (TurnState.FAILED, TurnState.INTERRUPTED)
        if has_ended and hint.rule in _SAYS_ONLY_THAT_IT_ENDED:
            return
        if hint.rule == "command":
            self._before = (self._hint, self._ordinal)
        if hint.rule == "prompt" or hint.state in (TurnState.INTERRUPTED, TurnState.FAILED):
            self._calls.clear()
        self._hint, self._ordinal = hint, ordinal

    def _pair(self, entry: NewEntry, record: ReadRecord) -> None:
        if entry.kind is EntryKind.TOOL_CALL and entry.call_id:
            self._calls[entry.call_id] = OpenCall(entry.call_id, entry.tool_name, entry.occurred_at)
            if entry.tool_name in _QUESTIONS:
                self._questions = {
                    entry.call_id: (record.ordinal, record.turn.headline if record.turn else "")
                }
        elif entry.kind is EntryKind.TOOL_RESULT:
            self._calls.pop(entry.call_id, None)
        while len(self._calls) > _WINDOW:
            self._calls.popitem(last=False)

    def outcome(self) -> tuple[TurnHint, int, tuple[OpenCall, ...]]:
        calls = tuple(self._calls.values())
        if self._hint.state is not TurnState.IN_TURN or not calls:
            return replace(self._hint, headline=self._headline()), self._ordinal, calls
        for call in calls:
            if call.call_id in self._questions:
                ordinal, headline = self._questions[call.call_id]
                seen = f"a call of {call.tool_name} without a result"
                return TurnHint(TurnState.ASKED, "open_question", seen, headline), ordinal, calls
        seen = f"a call of {calls[-1].tool_name} without a result"
        return TurnHint(TurnState.IN_TURN, "open_call", seen), self._ordinal, calls

    def _headline(self) -> str:
        return self._hint.headline if self._hint.state is TurnState.FAILED else ""


class _Titles:
    """The best text to call a session by; of equals a custom or generated one the last, else the first."""

    def __init__(self) -> None:
        self._found: dict[TitleRank, str] = {}
        self._summaries: OrderedDict[str, str] = OrderedDict()
        self._leaves: OrderedDict[str, None] = OrderedDict()

    def add(self, record: ReadRecord) -> None:
        for hint in record.titles:
            self._add_hint(hint)
        if record.record is not None and record.record.native_id:
            leaf = record.record.native_id
            _note(self._leaves, leaf)
            if leaf in self._summaries:
                self._found[TitleRank.SUMMARY] = self._summaries[leaf]

    def _add_hint(self, hint: TitleHint) -> None:
        if hint.leaf:
            self._summaries[hint.leaf] = hint.text
            if len(self._summaries) > _WINDOW:
                self._summaries.popitem(last=False)
            if hint.leaf in self._leaves:
                self._found[hint.rank] = hint.text
        elif hint.rank in (TitleRank.CUSTOM, TitleRank.GENERATED):
            self._found[hint.rank] = hint.text
        else:
            self._found.setdefault(hint.rank, hint.text)

    def best(self) -> str:
        return next((self._found[rank] for rank in TitleRank if rank in self._found), "")


class _TokenSums:
    """Sums in which a message that is reported again replaces what it said before."""

    def __init__(self) -> None:
        self.total = Tokens()
        self._recent: OrderedDict[str, Usage] = OrderedDict()

    def add(self, usage: Usage) -> None:
        before = self._recent.pop(usage.message_id, Usage(message_id=""))
        self._recent[usage.message_id] = usage
        if len(self._recent) > _WINDOW:
            self._recent.popitem(last=False)
        self.total = Tokens(
            self.total.input + usage.input_tokens - before.input_tokens,
            self.total.output + usage.output_tokens - before.output_tokens,
            self.total.cache_read + usage.cache_read_tokens - before.cache_read_tokens,
            self.total.cache_write + usage.cache_write_tokens - before.cache_write_tokens,
        )


def _with_start(summary: SessionSummary, hints: tuple[ChildHint, ...]) -> SessionSummary:
    start = link_child(summary, hints) if summary.agent_id else None
    if start is None:
        return summary
    return replace(summary, started_by=start, title=start.title or summary.title)


def link_child(child: SessionSummary, siblings: tuple[ChildHint, ...]) -> ChildHint | None:
    """What a parent's summary says of a sub-agent that was read from a file of its own."""
    by_id = (hint for hint in siblings if hint.agent_id and hint.agent_id == child.agent_id)
    by_prompt = (
        hint for hint in siblings if not hint.agent_id and hint.prompt_mark == child.prompt_mark != 0
    )
    return next(by_id, None) or next(by_prompt, None)


def _is_same(one: ChildHint, other: ChildHint) -> bool:
    if one.agent_id and one.agent_id == other.agent_id:
        return True
    if one.agent_id and other.agent_id:
        return False
    return bool(one.call_id) and one.call_id == other.call_id


def _merged(old: ChildHint, new: ChildHint) -> ChildHint:
    is_older = new.outcome in ("", "running") and old.outcome in ("completed", "failed", "cancelled")
    end = old if is_older or not new.outcome else new
    return ChildHint(
        call_id=old.call_id or new.call_id,
        agent_id=old.agent_id or new.agent_id,
        title=old.title or new.title,
        agent_type=old.agent_type or new.agent_type,
        outcome=end.outcome,
        result=end.result,
        ended_at=end.ended_at,
        is_report=old.is_report and new.is_report,
        prompt_mark=old.prompt_mark or new.prompt_mark,
        parent=old.parent or new.parent,
    )


def _note(window: OrderedDict[str, None], key: str) -> bool:
    """Remember a key among the recent ones; whether it is new there. An empty key never is."""
    if not key or key in window:
        return False
    window[key] = None
    if len(window) > _WINDOW:
        window.popitem(last=False)
    return True
