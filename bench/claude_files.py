"""Session files as Claude Code writes them, of any size: what a measurement of intake reads.

The texts are pieces of Python's own library, so that they compress, repeat and look like what agents read.
"""

from __future__ import annotations

import json
import random
import sysconfig
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = ["write_files"]

#: Bytes of one session where there are many: the median of real ones is 0.6 MB.
SESSION_BYTES = 600_000
#: The longest lines of real files are edits of files of this size.
LARGE_TEXT = 300_000
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def write_files(folder: Path, size: int, *, in_one: bool = False, seed: int = 7) -> int:
    """Write sessions of together about `size` bytes below a folder; returns how many bytes they are."""
    rng = random.Random(seed)
    texts = _texts()
    written = number = 0
    while written < size:
        wanted = size if in_one else min(int(rng.lognormvariate(0, 0.9) * SESSION_BYTES), size - written)
        session_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        path = folder / f"-srv-project-{number % 7}" / f"{session_id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        session = _Session(rng, texts, session_id)
        written += _write(path, session, wanted)
        if number % 4 == 1 and not in_one:
            written += _write_agent(path, session, wanted // 10)
        number += 1
    return written


def _write(path: Path, session: _Session, size: int) -> int:
    written = 0
    with path.open("wb") as file:
        for row in session.rows():
            written += file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            if written >= size:
                return written
    return written


def _write_agent(path: Path, session: _Session, size: int) -> int:
    agent_id = f"a{session.rng.getrandbits(64):016x}"
    own = path.with_suffix("") / "subagents" / f"agent-{agent_id}.jsonl"
    own.parent.mkdir(parents=True)
    agent = _Session(session.rng, session.texts, session.session_id, isSidechain=True, agentId=agent_id)
    return _write(own, agent, size)


def _texts() -> list[str]:
    """Source files of the standard library, in a fixed order."""
    library = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(path for path in library.glob("*.py") if 4_000 < path.stat().st_size < LARGE_TEXT)
    return [path.read_text(errors="replace") for path in paths]


class _Session:
    def __init__(self, rng: random.Random, texts: list[str], session_id: str, **envelope: Any) -> None:
        self.rng, self.texts, self.session_id = rng, texts, session_id
        self._at = START + timedelta(minutes=rng.randrange(200_000))
        self._parent: str | None = None
        self._envelope = {
            "isSidechain": False,
            "userType": "external",
            "cwd": "/srv/project",
            "sessionId": session_id,
            "version": "2.1.205",
            "gitBranch": "main",
            **envelope,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Turns without end: a prompt, then calls of tools with their results, then an answer."""
        while True:
            yield self._row("user", message={"role": "user", "content": self._piece(400)})
            for _ in range(self.rng.randint(2, 12)):
                if self.rng.random() < 0.4:
                    sealed = self.rng.randbytes(300).hex()
                    thought = {"type": "thinking", "thinking": self._piece(900), "signature": sealed}
                    yield self._answer(thought)
                yield from self._call()
            yield self._answer({"type": "text", "text": self._piece(1_500)}, stop="end_turn")

    def _call(self) -> Iterator[dict[str, Any]]:
        call_id = f"toolu_{self.rng.getrandbits(96):024x}"
        name, arguments, text, typed = self._tool()
        yield self._answer({"type": "tool_use", "id": call_id, "name": name, "input": arguments}, "tool_use")
        block = {"type": "tool_result", "tool_use_id": call_id, "content": text}
        message = {"role": "user", "content": [block]}
        yield self._row("user", message=message, toolUseResult=typed)

    def _tool(self) -> tuple[str, dict[str, Any], str, Any]:
        source = self.rng.choice(self.texts)
        path = f"/srv/project/lib/module_{self.rng.randrange(400)}.py"
        match self.rng.choices(("Bash", "Read", "Edit", "Grep"), (40, 30, 20, 10))[0]:
            case "Bash":
                out = self._piece(2_500)
                typed = {"stdout": out, "stderr": "", "interrupted": False, "isImage": False}
                return "Bash", {"command": self._piece(120), "description": "Run it"}, out, typed
            case "Read":
                lines = source[:12_000].splitlines()
                text = "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, 1))
                file = {"filePath": path, "content": source[:12_000], "numLines": len(lines), "startLine": 1}
                return "Read", {"file_path": path}, text, {"type": "text", "file": file}
            case "Edit":
                return self._edit(path, source)
        found = "\n".join(f"{path}:{number}: {self._piece(60)}" for number in range(20))
        typed = {"mode": "content", "numFiles": 1, "content": found}
        return "Grep", {"pattern": "def \\w+", "path": "/srv"}, found, typed

    def _edit(self, path: str, source: str) -> tuple[str, dict[str, Any], str, Any]:
        if self.rng.random() < 0.004:
            source = (source * (LARGE_TEXT // len(source) + 1))[:LARGE_TEXT]
        else:
            source = source[:20_000]
        old = source[1_000:1_300]
        new = old.replace("self", "this") + "# changed\n"
        lines = [f"-{line}" for line in old.splitlines()] + [f"+{line}" for line in new.splitlines()]
        hunk = {"oldStart": 30, "oldLines": 9, "newStart": 30, "newLines": 10, "lines": lines}
        arguments = {"file_path": path, "old_string": old, "new_string": new, "replace_all": False}
        typed = {
            "filePath": path,
            "oldString": old,
            "newString": new,
            "originalFile": source,
            "structuredPatch": [hunk],
            "userModified": False,
            "replaceAll": False,
        }
        return "Edit", arguments, f"The file {path} has been updated.", typed

    def _piece(self, most: int) -> str:
        source = self.rng.choice(self.texts)
        begin = self.rng.randrange(len(source))
        return source[begin : begin + self.rng.randint(most // 4, most)] or "ok"

    def _answer(self, block: dict[str, Any], stop: str | None = None) -> dict[str, Any]:
        usage = {"input_tokens": 4, "output_tokens": 210, "cache_read_input_tokens": 40_000}
        message = {
            "model": "claude-opus-4-6",
            "id": f"msg_{self.rng.getrandbits(96):024x}",
            "type": "message",
            "role": "assistant",
            "content": [block],
            "stop_reason": stop,
            "usage": usage,
        }
        return self._row("assistant", message=message, requestId=f"req_{self.rng.getrandbits(96):024x}")

    def _row(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._at += timedelta(milliseconds=self.rng.randint(200, 9_000))
        own = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        row = {
            "parentUuid": self._parent,
            **self._envelope,
            "type": kind,
            **fields,
            "uuid": own,
            "timestamp": self._at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        self._parent = own
        return row
