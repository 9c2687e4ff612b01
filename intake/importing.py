"""Files of other tools become sessions: read twice, written in one transaction, told in one report."""

from __future__ import annotations

import logging
import traceback
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction

from audit.entries import NewEntry, NewRecord, RunFacts, Usage
from audit.imports import Delivery, Synced, SyncOutcome
from audit.redactors import one_redactor
from audit.services import clean_ids
from audit.transcripts import find_transcript
from chats.importing import sync_imported_chat
from intake.models import ImportedSession
from intake.projection import Started, chat_of, start_of, task_of, told_task_of
from intake.readers.base import ChildHint, Format, Problem, ReadContext, ReadRecord, Severity
from intake.readers.detect import detect
from intake.readers.side_files import AgentFiles, AgentMeta, agent_files, agent_id_of, meta_of
from intake.readers.summary import SessionSummary, SummaryFold, link_child
from intake.reports import FileOutcome, FileReport
from intake.sources import Source, source_of
from tasks.importing import sync_imported_task
from tasks.queries import title_of
from workspace.actors import Actor
from workspace.placement import Placement

__all__ = ["FileOutcome", "FileReport", "Importer"]

logger = logging.getLogger(__name__)

#: How many records are read before they are written.
BATCH = 500
#: ... or how many bytes of the file, if that is less.
BATCH_BYTES = 8 << 20

#: A session (agent "") or one of its sub-agents, by the source's own ids.
type Key = tuple[str, str]


@dataclass(slots=True)
class _Buffer:
    entries: list[NewEntry] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    records: list[NewRecord] = field(default_factory=list)


class Importer:
    """One run over files. It remembers what sessions told of their sub-agents, whose own files come later."""

    def __init__(self, *, tenant_id: uuid.UUID, placement: Placement, actor: Actor, now: datetime) -> None:
        self.tenant_id, self.placement, self.actor, self.now = tenant_id, placement, actor, now
        self.agents = AgentFiles()
        self._hints: dict[str, tuple[ChildHint, ...]] = {}

    def import_file(self, path: Path) -> FileReport:
        """`import_source` of a file on disk."""
        try:
            source = source_of(path)
        except OSError as error:
            return self.unreadable(path, error.strerror or "it could not be read")
        return self.import_source(source)

    def import_source(self, source: Source) -> FileReport:
        """Read one file into its sessions, all or nothing. Never raises for what stands in the file."""
        report = FileReport(source.name)
        try:
            with source.open() as stream:
                found = detect(stream)
            if found is None:
                return report
            report.format = found.key
            with one_redactor(self.tenant_id), transaction.atomic():
                _FileImport(self, source, found, report).run()
        except OSError as error:
            self._fail(report, f"the file could not be read: {error.strerror}")
        except Exception as error:  # whatever a file holds, the next one is read
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            logger.error("a file was not imported: %s at %s", type(error).__name__, place)
            self._fail(report, f"nothing of the file was kept: {type(error).__name__} at {place}")
        return report

    def unreadable(self, path: Path, reason: str) -> FileReport:
        """The report of what could not even be looked at."""
        report = FileReport(str(path))
        self._fail(report, f"it could not be looked at: {reason}")
        return report

    def _fail(self, report: FileReport, reason: str) -> None:
        """The reason never quotes the file, and neither does the log: it has not been redacted."""
        report.outcome, report.session, report.entries, report.redactions = FileOutcome.FAILED, "", 0, 0
        report.add_problem(Problem(Severity.LOST, 0, reason))

    def hints_of(self, session_id: str) -> tuple[ChildHint, ...]:
        return self._hints.get(session_id, ())

    def remember(self, summaries: list[SessionSummary]) -> None:
        for summary in summaries:
            self._hints[summary.session_id] = (*self.hints_of(summary.session_id), *summary.children)


class _FileImport:
    """The import of one file, inside one transaction."""

    def __init__(self, run: Importer, source: Source, format_: Format, report: FileReport) -> None:
        self.run_, self.source, self.format, self.report = run, source, format_, report
        self.own_files = frozenset(agent_files(source.path, run.agents) if source.path else ())
        self.summaries: dict[Key, SessionSummary] = {}
        self.rows: dict[Key, ImportedSession] = {}
        self.outcomes: set[SyncOutcome] = set()
        self.children: set[Key] = set()
        self.written: set[Key] = set()

    def run(self) -> None:
        last_ordinal = self._summarise()
        if not self.summaries:
            return
        self._lock()
        for key in self._in_order():
            self._sync(key, Delivery(facts=self._first_facts(key)))
            if self._is_latest(key):
                self._keep_extent(key)
        for key, buffer in self._batches(last_ordinal):
            delivery = Delivery(entries=buffer.entries, usages=buffer.usages, records=buffer.records)
            self._sync(key, delivery)
        for key in self._in_order():
            self._sync(key, Delivery(facts=self.summaries[key].last if key in self.written else None))
        for summary in self.summaries.values():
            for hint in summary.children:
                self._sync_told(summary, hint)
        self._conclude()

    def _records(self) -> Iterator[ReadRecord]:
        context = ReadContext(now=self.run_.now, name=self.source.stem, own_files=self.own_files)
        with self.source.open() as stream:
            yield from self.format.reader(context).read(stream)

    def _summarise(self) -> int:
        """The first reading: what each session comes to, and every problem. Returns the last ordinal."""
        fold, last = SummaryFold(), -1
        for record in self._records():
            fold.add(record)
            last = record.ordinal
            for problem in record.problems:
                self.report.add_problem(problem)
        found = fold.summaries()
        self.run_.remember(found)
        self.summaries = {
            (one.session_id, one.agent_id): one
            for one in found
            if one.entries and one.agent_id not in self.own_files
        }
        return last

    def _lock(self) -> None:
        """Importers of the same session take turns, until the transaction ends."""
        with connection.cursor() as cursor:
            for session_id in sorted({session_id for session_id, _ in self.summaries}):
                name = f"intake:{self.run_.tenant_id}:{self.format.key}:{session_id}"
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])

    def _in_order(self) -> list[Key]:
        """Sessions before their sub-agents, those before the ones that they started themselves."""
        return sorted(self.summaries, key=self._depth)

    def _depth(self, key: Key) -> int:
        depth, agent = 0, key[1]
        while agent and depth < 20:
            hint = self._hint((key[0], agent))
            depth, agent = depth + 1, hint.parent if hint else ""
        return depth

    def _hint(self, key: Key) -> ChildHint | None:
        """What is known of a sub-agent's start: by its session's records, and by the file beside its own."""
        summary = self.summaries.get(key)
        if summary is None:
            return None
        told = summary.started_by or link_child(summary, self.run_.hints_of(key[0]))
        path = self.source.path
        meta = meta_of(path) if path and agent_id_of(path) == key[1] else AgentMeta()
        kept = self._row(key)
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

    def _first_facts(self, key: Key) -> RunFacts | None:
        return self.summaries[key].first if self._find(key) is None else None

    def _batches(self, last_ordinal: int) -> Iterator[tuple[Key, _Buffer]]:
        """The second reading: what is to be written, a batch of records at a time, by session."""
        buffers: dict[Key, _Buffer] = defaultdict(_Buffer)
        count = begun = 0
        for record in self._records():
            if record.ordinal > last_ordinal:
                break
            if record.record is None:
                continue
            key = (record.session_id, record.agent_id)
            if key not in self.summaries:  # what an agent's own file tells, or a session of which nothing is
                key = (record.session_id, "")
            if key not in self.summaries:
                continue
            buffer = buffers[key]
            buffer.records.append(record.record)
            buffer.entries.extend(record.entries)
            if record.usage is not None:
                buffer.usages.append(record.usage)
            count += 1
            if count >= BATCH or record.end - begun >= BATCH_BYTES:
                yield from buffers.items()
                buffers.clear()
                count, begun = 0, record.end
        yield from buffers.items()

    def _sync(self, key: Key, delivery: Delivery) -> None:
        summary, known = self.summaries[key], self._find(key)
        delivery = Delivery(
            entries=delivery.entries,
            facts=delivery.facts,
            usages=delivery.usages,
            records=delivery.records,
            source=self.format.key,
            native_session_id=summary.session_id,
        )
        synced = self._sync_child(key, known, delivery) if key[1] else self._sync_chat(key, known, delivery)
        self._remember(key, synced, self._hint(key) if key[1] else None)
        self.outcomes.add(synced.outcome)
        self.report.entries += synced.appended.added
        self.report.redactions += synced.appended.redactions

    def _sync_told(self, parent: SessionSummary, hint: ChildHint) -> None:
        """A sub-agent that its starter's records tell of: a task of its own while it has no records here."""
        if hint.is_report:
            return
        key = (parent.session_id, hint.agent_id or f"call:{hint.call_id}")
        self.children.add(key)
        if key in self.summaries or hint.agent_id in self.own_files or not hint.call_id:
            return
        if (parent.session_id, parent.agent_id) not in self.written:
            return
        known = self._find(key) or self._find_by_call(key, hint)
        started = self._started(key, hint)
        if started is None or (known and self._has_records(known)):
            return
        synced = sync_imported_task(
            tenant_id=self.run_.tenant_id,
            session_id=known,
            placement=self.run_.placement,
            task=told_task_of(hint, parent, started, otherwise=self.source.written_at),
            actor=self.run_.actor,
            parent_id=started.id if started.kind == "background_task" else None,
        )
        self.outcomes.add(synced.outcome)
        self._remember(key, synced, hint)

    def _has_records(self, task_id: uuid.UUID) -> bool:
        transcript = find_transcript(self.run_.tenant_id, ("background_task", task_id))
        return transcript is not None and transcript.entry_count > 0

    def _find_by_call(self, key: Key, hint: ChildHint) -> uuid.UUID | None:
        """A sub-agent that was known by its call alone gets its id once its starter names it."""
        rows = ImportedSession.objects.for_tenant(self.run_.tenant_id)
        native_id, by_call, agent_id = self._clean(key[0], f"call:{hint.call_id}", key[1])
        waiting = rows.filter(source=self.format.key, native_id=native_id, agent_id=by_call)
        if not hint.agent_id or not waiting.update(agent_id=agent_id):
            return None
        return self._find(key)

    def _sync_chat(self, key: Key, known: uuid.UUID | None, delivery: Delivery) -> Synced:
        return sync_imported_chat(
            tenant_id=self.run_.tenant_id,
            session_id=known,
            placement=self.run_.placement,
            chat=chat_of(self.summaries[key], label=self.format.label, otherwise=self.source.written_at),
            actor=self.run_.actor,
            delivery=delivery,
            is_latest=self._is_latest(key),
        )

    def _sync_child(self, key: Key, known: uuid.UUID | None, delivery: Delivery) -> Synced:
        hint = self._hint(key)
        started = self._started(key, hint)
        return sync_imported_task(
            tenant_id=self.run_.tenant_id,
            session_id=known,
            placement=self.run_.placement,
            task=task_of(
                self.summaries[key], hint, started, self.format.label, otherwise=self.source.written_at
            ),
            actor=self.run_.actor,
            parent_id=started.id if started and started.kind == "background_task" else None,
            delivery=delivery,
            is_latest=self._is_latest(key),
        )

    def _is_latest(self, key: Key) -> bool:
        """Whether the file says at least as much as what the row was made of; an older copy does not."""
        row, summary = self._row(key), self.summaries[key]
        if row is None or row.last_at is None or key in self.written:
            return True
        return (summary.last_at or row.last_at, summary.records) >= (row.last_at, row.record_count)

    def _started(self, key: Key, hint: ChildHint | None) -> Started | None:
        """The session of ours that started this sub-agent, and by which entry; None while it is not here."""
        parent = (key[0], hint.parent if hint else "")
        parent_id = self._find(parent)
        if parent_id is None:
            return None
        kind = "background_task" if parent[1] else "chat"
        return start_of(self.run_.tenant_id, (kind, parent_id), hint.call_id if hint else "")

    def _clean(self, *ids: str) -> list[str]:
        """The source's ids as they may be stored: a known secret in one is replaced by its name."""
        clean = clean_ids(tenant_id=self.run_.tenant_id, values=ids)
        return [clean[value] for value in ids]

    def _row(self, key: Key) -> ImportedSession | None:
        if key not in self.rows:
            rows = ImportedSession.objects.for_tenant(self.run_.tenant_id)
            native_id, agent_id = self._clean(*key)
            row = rows.filter(source=self.format.key, native_id=native_id, agent_id=agent_id).first()
            if row is None:
                return None
            self.rows[key] = row
        return self.rows[key]

    def _keep_extent(self, key: Key) -> None:
        """What the row now says comes from this file: remember how far that reaches."""
        row, summary = self.rows[key], self.summaries[key]
        self.written.add(key)
        if (row.last_at, row.record_count) != (summary.last_at, summary.records):
            row.last_at, row.record_count = summary.last_at, summary.records
            row.save(update_fields=["last_at", "record_count"])

    def _find(self, key: Key) -> uuid.UUID | None:
        row = self._row(key)
        return row.session_id if row else None

    def _remember(self, key: Key, synced: Synced, hint: ChildHint | None = None) -> None:
        """Keep which session of ours this is, and what its starter told of it."""
        told = {"parent_agent_id": "", "call_id": "", "outcome": ""}
        if hint is not None:
            parent, call_id = self._clean(hint.parent, hint.call_id)
            told = {"parent_agent_id": parent, "call_id": call_id, "outcome": hint.outcome}
        row = self._row(key)
        if row is None:
            native_id, agent_id = self._clean(*key)
            self.rows[key] = ImportedSession.objects.create(
                tenant_id=self.run_.tenant_id,
                source=self.format.key,
                native_id=native_id,
                agent_id=agent_id,
                session_kind="background_task" if key[1] else "chat",
                session_id=synced.session_id,
                **told,
            )
        elif any(getattr(row, name) != value for name, value in told.items()):
            for name, value in told.items():
                setattr(row, name, value)
            row.save(update_fields=list(told))

    def _name(self, key: Key) -> str:
        return f"{'background_task' if key[1] else 'chat'}:{self._find(key)}"

    def _conclude(self) -> None:
        report = self.report
        first, *others = sorted(self.summaries, key=lambda key: (bool(key[1]), key[0] != self.source.stem))
        report.session = self._name(first)
        report.other_sessions = [self._name(key) for key in others if not key[1]]
        report.children = len((self.children | {key for key in self.summaries if key[1]}) - {first})
        if SyncOutcome.CREATED in self.outcomes:
            report.outcome = FileOutcome.IMPORTED
        elif SyncOutcome.UPDATED in self.outcomes:
            report.outcome = FileOutcome.GROWN
        else:
            report.outcome = FileOutcome.UNCHANGED
