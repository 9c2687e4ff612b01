"""What the supervisor tells the world about its parts: one small JSON file, replaced whole."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["off", "starting", "ready", "backoff", "refused"]


@dataclass(slots=True)
class PartState:
    """``since`` is Unix time of the last change of ``status``; ``failures`` counts ends in a row without
    having been ready in between, ``restarts`` all of them. ``refused`` means that trying again is useless."""

    status: Status = "off"
    pid: int | None = None
    since: float = 0.0
    restarts: int = 0
    failures: int = 0
    last_error: str = ""


@dataclass(slots=True)
class State:
    supervisor_pid: int = 0
    parts: dict[str, PartState] = field(default_factory=dict)


def write_state(path: Path, state: State) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(state)), encoding="utf-8")
    os.replace(fresh, path)


def read_state(path: Path) -> State:
    """The last written state, which may be that of a dead supervisor; empty when there is none."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        parts = {name: PartState(**part) for name, part in raw["parts"].items()}
        return State(supervisor_pid=raw["supervisor_pid"], parts=parts)
    except (OSError, ValueError, KeyError, TypeError):
        return State()
