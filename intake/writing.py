"""What a reading yields becomes rows: one transaction a batch, each of them whole."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Q

from audit.imports import Delivery, Synced, SyncOutcome
from audit.redactors import one_redactor
from audit.services import clean_ids
from audit.transcripts import find_transcript
from chats.importing import sync_imported_chat
from intake.hints import Hints
from intake.models import ImportedSession
from intake.projection import Started, chat_of, source_of_start, start_of, task_of, told_task_of
from intake.readers.base import ChildHint
from intake.readers.side_files import AgentMeta, meta_of
from intake.readers.summary import SessionSummary, link_child
from intake.reading import Batch, Buffer, Key, Reading
from intake.reports import FileOutcome, FileReport
from tasks.importing import fold_imported_task, join_imported_task, sync_imported_task
from tasks.queries import title_of
from workspace.actors import Actor
from workspace.placement import Placement

__all__ = ["Run", "Writer"]

_OUTCOMES = {
    SyncOutcome.CREATED: FileOutcome.IMPORTED,
    SyncOutcome.UPDATED: FileOutcome.GROWN,
    SyncOutcome.UNCHANGED: FileOutcome.UNCHANGED,
}


@dataclass(frozen=True, slots=True)
class Run:
    """For whom files are read, and what their sessions told so far of sub-agents."""

    tenant_id: uuid.UUID
    placement: Placement
    actor: Actor
    hints: Hints = field(default_factory=Hints)


class Writer:
    """Writes the batches of one reading and sums them up in a report; `stored` ends each transaction.

    A row is written of all that was read so far. While the file goes on its status waits: it says that its
    records are being read. So each transaction leaves what is true, and those that a dead run did not get to
    are made by the next run. A row that was made of more (by another importer, from a longer copy) is left as
    it is, and only gets the entries that it lacks.
    """

    def __init__(
        self,
        run: Run,
        reading: Reading,
        report: FileReport,
        stored: Callable[[int], None] | None = None,
    ) -> None:
        self.run, self.reading, self.report, self.stored = run, reading, report, stored
        self.source = reading.format.key
        self._rows: dict[Key, ImportedSession] = {}
        self._summaries: dict[Key, SessionSummary] = {}
        self._is_last = False

    def write(self, batch: Batch) -> None:
        self._summaries, self._is_last = self.reading.summaries(), batch.is_last
        news = self.run.hints.remember(self.source, self._summaries.values())
        self.report.told_agents |= news
        keys = {key for key in batch.buffers if key in self._summaries}
        if batch.is_last:
            keys |= {key for key in self._summaries if self._is_unsettled(key)}
        # In this order: a sweep waits for the transaction that a redactor was made in.
        with transaction.atomic(), one_redactor(self.run.tenant_id):
            self._rows.clear()
            self._lock({session_id for session_id, _ in keys})
            for key in sorted(keys, key=self._depth):
                self._sync(key, batch.buffers.get(key) or Buffer())
            if batch.is_last:
                for summary in self._summaries.values():
                    self._join_calls(summary)
                    for hint in (*summary.children, *summary.refused):
                        self._sync_told(summary, hint)
                for key in keys:
                    self._join_waiting(key)
                self._conclude()
            if self.stored is not None:
                self.stored(self.reading.offset)

    def _is_unsettled(self, key: Key) -> bool:
        """Whether its row may say less than the file, now that all of that is read."""
        if key not in self.reading.settled:
            return True
        return bool(key[1]) and self.reading.settled[key] != self._told(key)

    def _lock(self, session_ids: set[str]) -> None:
        """Importers of the same session take turns, until the transaction ends."""
        with connection.cursor() as cursor:
            for session_id in sorted(session_ids):
                name = f"intake:{self.run.tenant_id}:{self.source}:{session_id}"
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])

    def _depth(self, key: Key) -> tuple[int, Key]:
        """Sessions before their sub-agents, those before the ones that they started themselves."""
        depth, agent = 0, key[1]
        while agent and depth < 20:
            hint = self._hint((key[0], agent))
            depth, agent = depth + 1, hint.parent if hint else ""
        return depth, key

    def _told(self, key: Key) -> ChildHint | None:
        """What records say of a sub-agent's start: those of this file, else those of its session's."""
        summary = self._summaries[key]
        return summary.started_by or link_child(summary, self.run.hints.of(self.source, key[0]))

    def _hint(self, key: Key) -> ChildHint | None:
        """What is known of a sub-agent's start: by records, by its row, by the small file beside its own."""
        if key not in self._summaries:
            return None
        told, kept = self._told(key), self._row(key)
        meta = self._meta() if self.reading.source.stem == f"agent-{key[1]}" else AgentMeta()
        hint = told or ChildHint(agent_id=key[1])
        title = hint.title or (title_of(kept.tenant_id, kept.session_id) if kept else "") or meta.description
        return ChildHint(
            call_id=hint.call_id or (kept.call_id if kept else "") or meta.call_id,
            agent_id=key[1],
            title=title,
            agent_type=hint.agent_type or meta.agent_type,
            outcome=hint.outcome or (kept.outcome if kept else ""),
            parent=hint.parent if told else kept.parent_agent_id if kept else "",
        )

    def _meta(self) -> AgentMeta:
        source = self.reading.source
        return meta_of(source.path) if source.path else source.meta or AgentMeta()

    def _sync(self, key: Key, buffer: Buffer) -> None:
        summary, hint = self._summaries[key], self._hint(key) if key[1] else None
        known = self._find_child(key, hint) if hint else self._find(key)
        is_latest = self._is_latest(key)
        delivery = Delivery(
            entries=buffer.entries,
            first_facts=summary.first,
            facts=summary.last,
            usages=buffer.usages,
            records=buffer.records,
            source=self.source,
            native_session_id=summary.session_id,
        )
        if key[1]:
            synced = self._sync_child(key, known, hint, delivery, is_latest)
            self.reading.settled[key] = self._told(key)
        else:
            synced = self._sync_chat(key, known, delivery, is_latest)
            self.reading.settled[key] = None
        if not self._is_last:
            del self.reading.settled[key]
        self._remember(key, synced, hint, summary if is_latest else None)
        self.report.add_outcome(_OUTCOMES[synced.outcome])
        self.report.entries += synced.appended.added
        self.report.redactions += synced.appended.redactions

    def _sync_chat(self, key: Key, known: uuid.UUID | None, delivery: Delivery, is_latest: bool) -> Synced:
        return sync_imported_chat(
            tenant_id=self.run.tenant_id,
            session_id=known,
            placement=self.run.placement,
            chat=chat_of(
                self._summaries[key],
                label=self.reading.format.label,
                otherwise=self.reading.source.written_at,
                goes_on=not self._is_last,
            ),
            actor=self.run.actor,
            delivery=delivery,
            is_latest=is_latest,
        )

    def _sync_child(
        self, key: Key, known: uuid.UUID | None, hint: ChildHint | None, delivery: Delivery, is_latest: bool
    ) -> Synced:
        started = self._started(key, hint)
        return sync_imported_task(
            tenant_id=self.run.tenant_id,
            session_id=known,
            placement=self.run.placement,
            task=task_of(
                self._summaries[key],
                hint,
                started,
                self.reading.format.label,
                otherwise=self.reading.source.written_at,
                goes_on=not self._is_last,
            ),
            actor=self.run.actor,
            parent_id=started.id if started and started.kind == "background_task" else None,
            delivery=delivery,
            is_latest=is_latest,
        )

    def _sync_told(self, parent: SessionSummary, hint: ChildHint) -> None:
        """A sub-agent that its starter's records tell of: a task of its own while it has no records here."""
        by_call = (parent.session_id, f"call:{hint.call_id}")
        key = (parent.session_id, hint.agent_id) if hint.agent_id else by_call
        if key in self._summaries or hint.agent_id in self.reading.own_files or not hint.call_id:
            return
        if hint.is_report or self.reading.told.get(by_call) == hint:
            return
        if not self._is_latest((parent.session_id, parent.agent_id)):
            return
        known = self._find(key)
        if hint.never_ran and known is None:
            self.reading.told[by_call] = hint
            return
        started = self._started(key, hint)
        if started is None or (known and self._has_records(known)):
            return
        if known is None and not hint.agent_id and self._is_joined(key, hint):
            return
        synced = sync_imported_task(
            tenant_id=self.run.tenant_id,
            session_id=known,
            placement=self.run.placement,
            task=told_task_of(hint, parent, started, otherwise=self.reading.source.written_at),
            actor=self.run.actor,
            parent_id=started.id if started.kind == "background_task" else None,
        )
        self.reading.told[by_call] = hint
        self.report.add_outcome(_OUTCOMES[synced.outcome])
        self._remember(key, synced, hint)

    def _join_waiting(self, key: Key) -> None:
        """Sub-agents whose own files came before that of the session, or of the agent, which started them.

        One that was started by another sub-agent may have been filed under that one's id.
        """
        starter_id = self._find(key)
        if starter_id is None:
            return
        session_id, agent_id = self._clean(*key)
        whose = Q(native_id=session_id, parent_agent_id=agent_id)
        if agent_id:
            whose |= Q(native_id=agent_id)
        rows = ImportedSession.objects.for_tenant(self.run.tenant_id).filter(whose, source=self.source)
        here = [row.session_id for known, row in self._rows.items() if known in self._summaries]
        told = {hint.agent_id: hint for hint in self._summaries[key].children if hint.agent_id}
        for row in rows.exclude(agent_id="").exclude(session_id__in=here):
            hint = told.get(row.agent_id, ChildHint())
            kind = "background_task" if agent_id else "chat"
            started = start_of(self.run.tenant_id, (kind, starter_id), hint.call_id or row.call_id)
            outcome = join_imported_task(
                tenant_id=self.run.tenant_id,
                session_id=row.session_id,
                source=source_of_start(started),
                prompt=started.prompt,
                actor=self.run.actor,
            )
            self.report.add_outcome(_OUTCOMES[outcome])
            if hint.call_id and row.call_id != (call_id := self._clean(hint.call_id)[0]):
                row.call_id = call_id
                row.save(update_fields=["call_id"])

    def _has_records(self, task_id: uuid.UUID) -> bool:
        transcript = find_transcript(self.run.tenant_id, ("background_task", task_id))
        return transcript is not None and transcript.entry_count > 0

    def _is_joined(self, key: Key, hint: ChildHint) -> bool:
        """Whether a sub-agent with records of its own is known to be the one that the call started."""
        native_id, call_id = self._clean(key[0], hint.call_id)
        rows = ImportedSession.objects.for_tenant(self.run.tenant_id)
        return rows.filter(source=self.source, native_id=native_id, call_id=call_id).exists()

    def _join_calls(self, starter: SessionSummary) -> None:
        """Sub-agents that were known by their calls alone, and that their starter names by now."""
        hints = [hint for hint in (*starter.children, *starter.refused) if hint.call_id and hint.agent_id]
        if not hints:
            return
        native_id, *calls = self._clean(starter.session_id, *(f"call:{hint.call_id}" for hint in hints))
        rows = ImportedSession.objects.for_tenant(self.run.tenant_id)
        waiting = rows.filter(source=self.source, native_id=native_id, agent_id__in=calls)
        there = set(waiting.values_list("agent_id", flat=True))
        for call, hint in zip(calls, hints, strict=True):
            if call in there:
                self._find_child((starter.session_id, hint.agent_id), hint)

    def _find_child(self, key: Key, hint: ChildHint) -> uuid.UUID | None:
        """A sub-agent's row; one that was known by its call alone becomes it, or goes into it."""
        row, by_call = self._row(key), (key[0], f"call:{hint.call_id}")
        waiting = self._row(by_call) if hint.call_id else None
        if waiting is None:
            return row.session_id if row else None
        agent_id, call_id = self._clean(key[1], hint.call_id)
        if row is None:
            waiting.agent_id = agent_id
            waiting.save(update_fields=["agent_id"])
            self._rows[key] = self._rows.pop(by_call)
        elif fold_imported_task(
            tenant_id=self.run.tenant_id,
            session_id=waiting.session_id,
            into_id=row.session_id,
            actor=self.run.actor,
        ):
            self._rows.pop(by_call).delete()
            row.call_id, row.outcome = call_id, hint.outcome or row.outcome
            row.save(update_fields=["call_id", "outcome"])
        return self._rows[key].session_id

    def _is_latest(self, key: Key) -> bool:
        """Whether what was read reaches farther than what the row was made of; at the file's end, as far."""
        row, summary = self._row(key), self._summaries[key]
        if row is None or row.last_at is None:
            return True
        reach, known = (summary.last_at or row.last_at, summary.records), (row.last_at, row.record_count)
        return reach >= known if self._is_last else reach > known

    def _started(self, key: Key, hint: ChildHint | None) -> Started | None:
        """The session of ours that started this sub-agent, and by which entry; None while it is not here."""
        parent = (key[0], hint.parent if hint else "")
        parent_id = self._find(parent)
        if parent_id is None and not parent[1]:
            # What started it may be a sub-agent itself.
            rows = ImportedSession.objects.for_tenant(self.run.tenant_id).filter(source=self.source)
            row = rows.filter(agent_id=self._clean(key[0])[0]).first()
            parent, parent_id = (key[0], key[0]), row.session_id if row else None
        if parent_id is None:
            return None
        kind = "background_task" if parent[1] else "chat"
        return start_of(self.run.tenant_id, (kind, parent_id), hint.call_id if hint else "")

    def _clean(self, *ids: str) -> list[str]:
        """The source's ids as they may be stored: a known secret in one is replaced by its name."""
        clean = clean_ids(tenant_id=self.run.tenant_id, values=ids)
        return [clean[value] for value in ids]

    def _row(self, key: Key) -> ImportedSession | None:
        if key not in self._rows:
            rows = ImportedSession.objects.for_tenant(self.run.tenant_id)
            native_id, agent_id = self._clean(*key)
            row = rows.filter(source=self.source, native_id=native_id, agent_id=agent_id).first()
            if row is None:
                return None
            self._rows[key] = row
        return self._rows[key]

    def _find(self, key: Key) -> uuid.UUID | None:
        row = self._row(key)
        return row.session_id if row else None

    def _remember(
        self, key: Key, synced: Synced, hint: ChildHint | None, made_of: SessionSummary | None = None
    ) -> None:
        """Keep which session of ours this is, what its starter told of it, and how far its row reaches."""
        values: dict[str, object] = {"parent_agent_id": "", "call_id": "", "outcome": ""}
        if hint is not None:
            parent, call_id = self._clean(hint.parent, hint.call_id)
            values = {"parent_agent_id": parent, "call_id": call_id, "outcome": hint.outcome}
        if made_of is not None:
            values |= {"last_at": made_of.last_at, "record_count": made_of.records}
        row = self._row(key)
        if row is None:
            native_id, agent_id = self._clean(*key)
            self._rows[key] = ImportedSession.objects.create(
                tenant_id=self.run.tenant_id,
                source=self.source,
                native_id=native_id,
                agent_id=agent_id,
                session_kind="background_task" if key[1] else "chat",
                session_id=synced.session_id,
                **values,
            )
        elif changed := [name for name, value in values.items() if getattr(row, name) != value]:
            for name in changed:
                setattr(row, name, values[name])
            row.save(update_fields=changed)

    def _name(self, key: Key) -> str:
        return f"{'background_task' if key[1] else 'chat'}:{self._find(key)}"

    def _conclude(self) -> None:
        """What became of the file, once all of it is read."""
        if not self._summaries:
            return
        report, stem = self.report, self.reading.source.stem
        first, *others = sorted(self._summaries, key=lambda key: (bool(key[1]), key[0] != stem))
        report.session = self._name(first)
        report.other_sessions = [self._name(key) for key in others if not key[1]]
        children = {key for key in self._summaries if key[1]}
        for one in self._summaries.values():
            hints = (hint for hint in one.children if not hint.is_report)
            children |= {(one.session_id, hint.agent_id or f"call:{hint.call_id}") for hint in hints}
        report.children = len(children - {first})
        report.add_outcome(FileOutcome.UNCHANGED)
