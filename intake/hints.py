"""What sessions told of their sub-agents, for when those are read from files of their own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from intake.readers.base import ChildHint
from intake.readers.summary import SessionSummary

__all__ = ["Hints"]

#: Of how many sessions hints are kept. Rows hold what matters of the others (`ImportedSession`).
MOST_SESSIONS = 2_000


class Hints:
    """Hints by session, of the sessions that were read last. Kept in memory only, for one run over files."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, str], dict[str, tuple[int, tuple[ChildHint, ...]]]] = OrderedDict()

    def of(self, source: str, session_id: str) -> tuple[ChildHint, ...]:
        by_agent = self._told.get((source, session_id), {})
        return tuple(hint for _, hints in by_agent.values() for hint in hints)

    def remember(self, source: str, summaries: Iterable[SessionSummary]) -> set[tuple[str, str]]:
        """Keep what summaries tell; returns the sub-agents, by session and agent, of whom that is news.

        Of two copies of a session the one with more records counts. Results, which may be long, are left out.
        """
        news: set[tuple[str, str]] = set()
        for one in summaries:
            by_agent = self._told.setdefault((source, one.session_id), {})
            self._told.move_to_end((source, one.session_id))
            records, before = by_agent.get(one.agent_id, (0, ()))
            if not one.children or one.records < records:
                continue
            hints = tuple(replace(hint, result="") for hint in one.children)
            by_agent[one.agent_id] = (one.records, hints)
            news.update((one.session_id, hint.agent_id) for hint in set(hints) - set(before) if hint.agent_id)
        while len(self._told) > MOST_SESSIONS:
            self._told.popitem(last=False)
        return news
