"""Claude Code's session files: `<session>.jsonl`, and the files of its sub-agents.

One record of the file is one object. Records of sub-agents stand in files of their own, inside the session's
file as sidechains (older versions), or inside records of progress (some versions). All come out under the key
of their agent. The rules are explained in `docs/readers.md`.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from audit.entries import JSON, NewRecord, RunFacts
from intake.readers.base import ChildHint, Format, Problem, ReadContext, ReadRecord, Severity, prompt_mark
from intake.readers.claude_blocks import content_text
from intake.readers.claude_messages import SYNTHETIC, read_assistant, read_user
from intake.readers.claude_notes import read_note
from intake.readers.fields import Object, name_of, number_of, object_of, text_of, time_of
from intake.readers.jsonl import Decoded, Splitter
from intake.readers.meaning import CallNames, Meaning, believed_time

KEY = "claude_code"
_HELD_BACK = 1_000
_RECENT = 20_000
_ORIGINS = {
    "cli": "cli",
    "sdk-cli": "cli",
    "claude-desktop": "desktop",
    "claude-vscode": "vscode",
    "claude-jetbrains": "vscode",
    "sdk-ts": "api",
    "sdk-py": "api",
    "mcp": "api",
    "claude-code-github-action": "api",
    "remote": "web",
    "claude-web": "web",
}
# Fields that tell records without an id apart and hold ids or words of the format, never a text.
_TELLING = ("subtype", "operation", "messageId", "leafUuid", "parentUuid", "requestId", "toolUseID")
_CHAINED = frozenset({"user", "assistant", "progress", "system", "attachment"})
_OWN_FIELDS = {
    "summary": "leafUuid",
    "file-history-snapshot": "snapshot",
    "queue-operation": "operation",
    "custom-title": "customTitle",
    "ai-title": "aiTitle",
    "last-prompt": "lastPrompt",
    "permission-mode": "permissionMode",
}


def recognises(records: Sequence[JSON]) -> bool:
    """Whether some of these first objects of a file are records of Claude Code."""
    return any(isinstance(record, dict) and _is_own(record) for record in records)


def _is_own(record: Object) -> bool:
    kind = text_of(record, "type")
    if kind in _CHAINED:
        has_body = kind not in ("user", "assistant") or isinstance(record.get("message"), dict)
        return has_body and bool(text_of(record, "uuid")) and bool(text_of(record, "sessionId"))
    return kind in _OWN_FIELDS and _OWN_FIELDS[kind] in record


class ClaudeCodeReader:
    """Reads one file, and what is added to it later: call `read` again with the stream at `offset`."""

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._splitter = Splitter()
        self._names = CallNames()
        self._chains = _Sidechains(_RECENT)
        self._seen = _Window(_RECENT)
        self._keys = _Keys(_RECENT)
        self._session_id = ""
        self._file_agent = ""
        self._forked_from = ""

    @property
    def offset(self) -> int:
        return self._splitter.offset

    def read(self, stream: BinaryIO) -> Iterator[ReadRecord]:
        """Yield the records of the stream. The first ones may not name their session and wait for it."""
        held: list[Decoded] = []
        for decoded in self._splitter.split(stream):
            held.append(decoded)
            if not self._session_id and isinstance(decoded.value, dict):
                self._session_id = _session_of(decoded.value)
                is_agent = bool(self._session_id) and decoded.value.get("isSidechain") is True
                self._file_agent = text_of(decoded.value, "agentId")[:200] if is_agent else ""
            if self._session_id or len(held) >= _HELD_BACK:
                yield from map(self._record, held)
                held.clear()
        yield from map(self._record, held)

    def _record(self, decoded: Decoded) -> ReadRecord:
        forked_from = _original_of(decoded.value)[0]
        session_id = forked_from or _session_of(decoded.value) or self._session_id or self._context.name
        base = ReadRecord(
            ordinal=decoded.ordinal,
            line=decoded.line,
            end=decoded.end,
            session_id=session_id[:200],
            problems=decoded.problems,
            is_copy=bool(forked_from),
        )
        if decoded.is_lost:
            return base
        if not isinstance(decoded.value, dict):
            problem = Problem(Severity.LOST, decoded.line, "not an object")
            return replace(base, problems=(*decoded.problems, problem))
        return self._meaningful(base, decoded.value)

    def _meaningful(self, base: ReadRecord, body: dict[str, JSON]) -> ReadRecord:
        uuid = text_of(body, "uuid")
        kind = text_of(body, "type")
        native = NewRecord(ordinal=base.ordinal, native_id=uuid[:200], record_type=kind[:60], body=body)
        agent_id, source, hint = self._place(body, uuid)
        # Records of progress repeat inside what a sub-agent's own file has.
        is_repeat = not self._seen.is_new(text_of(source, "uuid") or uuid)
        if base.is_copy:
            source = {**source, "uuid": _original_of(body)[1] or uuid}
        at, late = believed_time(source, self._context.now, base.line)
        meaning = Meaning(
            self._keys.key_of(source, base.session_id, agent_id), base.ordinal, base.line, at, problems=late
        )
        self._read(source, meaning, base.line)
        self._tell_fork(base, meaning)
        is_copied = is_repeat or (source is not body and agent_id in self._context.own_files)
        return replace(
            base,
            agent_id=agent_id,
            record=native,
            at=at,
            entries=() if is_copied else tuple(meaning.entries),
            usage=None if is_copied else meaning.usage,
            facts=_facts(body, source, meaning.repo),
            turn=None if is_copied else meaning.turn,
            titles=tuple(meaning.titles),
            children=(*hint, *(replace(child, parent=agent_id) for child in meaning.children)),
            problems=(*base.problems, *meaning.problems),
            is_repeat=is_repeat,
        )

    def _tell_fork(self, base: ReadRecord, meaning: Meaning) -> None:
        """Say in a fork's own transcript, before the first thing that it says itself, what it came from."""
        if base.is_copy:
            self._forked_from = self._forked_from or base.session_id
        elif self._forked_from and meaning.entries and base.session_id == self._session_id:
            meaning.tell_fork(self._forked_from)
            self._forked_from = ""

    def _place(self, body: Object, uuid: str) -> tuple[str, Object, tuple[ChildHint, ...]]:
        """Whose record it is, the record to read (it may stand in another), and a hint of a child's start."""
        data = object_of(body, "data")
        own = text_of(body, "agentId")[:200] if body.get("isSidechain") is True else ""
        if text_of(body, "type") == "progress" and text_of(data, "type") == "agent_progress":
            agent_id, inner = text_of(data, "agentId")[:200], object_of(data, "message")
            if agent_id and inner:
                source = {"uuid": uuid, "timestamp": body.get("timestamp"), **inner}
                return agent_id, source, (_progress_hint(body, agent_id, own),)
        if "isSidechain" not in body:
            return self._file_agent, body, ()
        if own or body.get("isSidechain") is not True:
            return own, body, ()
        agent_id, is_root = self._chains.agent_of(body, uuid)
        if not is_root:
            return agent_id, body, ()
        mark = prompt_mark(content_text(object_of(body, "message").get("content")))
        return agent_id, body, (ChildHint(agent_id=agent_id, prompt_mark=mark),)

    def _read(self, source: Object, meaning: Meaning, line: int) -> None:
        kind = text_of(source, "type")
        if kind == "assistant":
            read_assistant(source, meaning, self._names)
        elif kind == "user":
            read_user(source, meaning, self._names)
        else:
            read_note(source, meaning, line)


class _Keys:
    """What the ids of a record's entries begin with: its uuid, else what its structure says and a count.

    The count is of the records of one session or sub-agent that look alike. So it is the same each time the
    file is read, and other records of another file of the session get other keys. The position in the file
    would be the same in both, and a hash of the record would tell of its text. Of records that look alike,
    the last `limit` sorts are remembered.
    """

    def __init__(self, limit: int) -> None:
        self._counts: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._limit = limit

    def key_of(self, record: Object, session_id: str, agent_id: str) -> str:
        uuid = text_of(record, "uuid")
        if 0 < len(uuid) <= 150:
            return uuid
        at = time_of(record, "timestamp")
        message_id = text_of(object_of(record, "message"), "id")
        found = [at.isoformat() if at else "", message_id, *(text_of(record, key) for key in _TELLING)]
        found += [str(number_of(record, "prNumber") or "")]
        look = (text_of(record, "type"), *(text for text in found if text))
        look = tuple(text for text in look if len(text) <= 60)
        count = self._counts.pop((session_id, agent_id, *look), 0) + 1
        self._counts[session_id, agent_id, *look] = count
        if len(self._counts) > self._limit:
            self._counts.popitem(last=False)
        return f"#{':'.join(look)}:{count}"


class _Window:
    """Which ids came among the last `limit`: a file's repeats lie close together, and memory stays small."""

    def __init__(self, limit: int) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._limit = limit

    def is_new(self, record_id: str) -> bool:
        if not record_id:
            return True
        if record_id in self._ids:
            return False
        self._ids[record_id] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return True


class _Sidechains:
    """Tells inline sub-agents without an id apart: each is a chain of records that begins with its prompt.

    The id of such an agent is the uuid of its first record.
    """

    def __init__(self, limit: int) -> None:
        self._agents: OrderedDict[str, str] = OrderedDict()
        self._limit = limit
        self._last = ""

    def agent_of(self, record: Object, uuid: str) -> tuple[str, bool]:
        """The agent, and whether the record is its first."""
        agent = self._agents.get(text_of(record, "parentUuid"), "")
        is_root = not agent and (not self._last or text_of(record, "type") == "user")
        agent = agent or (uuid[:200] or "sidechain" if is_root else self._last)
        self._last = agent
        if uuid:
            self._agents[uuid] = agent
            if len(self._agents) > self._limit:
                self._agents.popitem(last=False)
        return agent, is_root


def _session_of(value: JSON) -> str:
    return text_of(value, "sessionId") if isinstance(value, dict) else ""


def _original_of(value: JSON) -> tuple[str, str]:
    """The session and the record that a record of a fork was copied from; "" for one that is no copy."""
    if not isinstance(value, dict):
        return "", ""
    original = object_of(value, "forkedFrom")
    session_id = text_of(original, "sessionId")
    is_own = session_id == text_of(value, "sessionId")
    return ("", "") if is_own else (session_id, text_of(original, "messageUuid"))


def _progress_hint(body: Object, agent_id: str, parent: str) -> ChildHint:
    return ChildHint(
        agent_id=agent_id,
        call_id=(text_of(body, "parentToolUseID") or text_of(body, "toolUseID"))[:200],
        outcome="running",
        prompt_mark=prompt_mark(text_of(object_of(body, "data"), "prompt")),
        parent=parent,
    )


def _facts(body: Object, source: Object, repo: str) -> RunFacts:
    model = name_of(object_of(source, "message"), "model")
    branch = name_of(body, "gitBranch")
    return RunFacts(
        origin=_ORIGINS.get(text_of(body, "entrypoint"), ""),
        runtime=KEY,
        model="" if model == SYNTHETIC else model,
        repo=repo,
        branch="" if branch == "HEAD" else branch,
        cwd=text_of(body, "cwd"),
        version=name_of(body, "version"),
    )


FORMAT = Format(key=KEY, label="Claude Code", recognises=recognises, reader=ClaudeCodeReader)
