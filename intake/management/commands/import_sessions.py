from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from tqdm import tqdm

from intake.files import Found, folders_of_agents, look_for_files
from intake.following import Follower
from intake.importing import DatabaseTroubleError, Importer
from intake.reports import FileReport
from workspace.actors import Actor
from workspace.models import Membership, Tenant
from workspace.placement import Placement


class Command(BaseCommand):
    help = (
        "Read session files of coding agents (Claude Code) into a workspace. The same file again adds only "
        "what is new. Files that are no sessions are ignored. Exit code 1: a session's file lost a record."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        folders = ", ".join(str(folder) for folder in folders_of_agents())
        parser.add_argument("paths", nargs="*", metavar="PATH", help="a file, or a folder to walk")
        parser.add_argument("--workspace", required=True, help="the workspace's name in addresses")
        parser.add_argument(
            "--owner", required=True, help="e-mail address of the member who owns the sessions"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a file")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen; keep nothing")
        parser.add_argument(
            "--follow",
            action="store_true",
            help=f"then keep watching, until Ctrl-C; without a PATH: {folders}",
        )
        parser.add_argument(
            "--poll", action="store_true", help="with --follow: look every second instead of being told"
        )
        parser.add_argument("--quiet", action="store_true", help="print problems and the summary only")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json, self.is_quiet = options["json"], options["quiet"]
        self.counts: Counter[str] = Counter()
        self.has_lost = False
        paths = [Path(path).expanduser() for path in options["paths"]]
        if options["follow"] and options["dry_run"]:
            raise CommandError("--dry-run: what is followed is kept; leave one of the two out", returncode=2)
        if options["poll"] and not options["follow"]:
            raise CommandError("--poll: it says how to --follow", returncode=2)
        if not paths and not options["follow"]:
            raise CommandError("name a file or a folder, or --follow those of your agents", returncode=2)
        importer = self._importer(options["workspace"], options["owner"])
        if options["follow"]:
            self._follow(importer, paths, is_blind=options["poll"])
        else:
            self._import(importer, paths, is_dry=options["dry_run"])
        if not self.as_json:
            self._sum_up(options["workspace"], is_dry=options["dry_run"])
        if self.has_lost and not options["follow"]:
            raise CommandError("a file lost a record or could not be read: see the lines above", returncode=1)

    def _importer(self, slug: str, email: str) -> Importer:
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            known = ", ".join(Tenant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(
                f"--workspace: there is no workspace {slug!r}; there are: {known}", returncode=2
            )
        members = Membership.objects.for_tenant(tenant.pk).select_related("user")
        member = members.filter(user__email=email.strip().lower()).first()
        if member is None:
            raise CommandError(f"--owner: {email} is no member of the workspace {slug}", returncode=2)
        return Importer(
            tenant_id=tenant.pk,
            placement=Placement(owner_id=member.user_id),
            actor=Actor.member(member.user),
        )

    def _import(self, importer: Importer, paths: list[Path], *, is_dry: bool) -> None:
        try:
            found = look_for_files(paths)
        except FileNotFoundError as missing:
            raise CommandError(f"there is no file or folder {missing}", returncode=2) from None
        try:
            with transaction.atomic() if is_dry else nullcontext():
                for report in self._reports(importer, found):
                    self._tell(report)
                if is_dry:
                    transaction.set_rollback(True)
        except DatabaseTroubleError as trouble:
            raise CommandError(
                f"the database failed ({type(trouble.__cause__).__name__}): run this again to complete it, "
                "nothing is doubled",
                returncode=1,
            ) from trouble

    def _reports(self, importer: Importer, found: Found) -> Iterator[FileReport]:
        for path, reason in found.unreadable:
            yield importer.unreadable(path, reason)
        sizes = [path.stat().st_size if path.is_file() else 0 for path in found.files]
        with _Bar(sum(sizes), len(sizes), is_shown=not (self.as_json or self.is_quiet)) as bar:
            for path, size in zip(found.files, sizes, strict=True):
                yield importer.import_file(path, bar.at)
                bar.file_done(size)

    def _follow(self, importer: Importer, paths: list[Path], *, is_blind: bool) -> None:
        if missing := [str(path) for path in paths if not path.exists()]:
            raise CommandError(f"there is no file or folder {missing[0]}", returncode=2)
        roots = paths or folders_of_agents()
        with _stopped_by_signals() as is_stopped:
            follower = Follower(
                importer, roots, tell=self._tell, notice=self._note, stop=is_stopped, is_blind=is_blind
            )
            self._note(f"following {', '.join(map(str, roots))}: Ctrl-C ends it")
            follower.run()

    def _note(self, words: str) -> None:
        self.stderr.write(words, style_func=str)
        self.stderr.flush()

    def _tell(self, report: FileReport) -> None:
        self.counts[report.outcome.value] += 1
        self.has_lost = self.has_lost or report.has_lost
        if self.as_json:
            self._print(json.dumps(report.to_json(), ensure_ascii=False))
            return
        if self.is_quiet and not report.problems and not report.why_ignored:
            return
        words = f"{report.outcome.value:9}  {report.path}"
        words += f": {report.why_ignored}" if report.why_ignored else ""
        if report.session:
            words += f"  {report.session}, {report.entries:,} entries"
            words += f", {report.children} sub-agents" if report.children else ""
            words += f", {report.redactions:,} redacted" if report.redactions else ""
        self._print(words)
        for problem in report.problems:
            self._print(f"           line {problem.line}: {problem.severity.value}: {problem.reason}")
        if report.more_problems:
            self._print(f"           and {report.more_problems:,} more")

    def _print(self, line: str) -> None:
        """A line above the bar, if there is one; at once, for whoever reads along."""
        with tqdm.external_write_mode(file=self.stdout):
            self.stdout.write(line)
            self.stdout.flush()

    def _sum_up(self, slug: str, *, is_dry: bool) -> None:
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.counts.items()))
        self._print(f"{'Would be: ' if is_dry else ''}{told or 'no files'} (workspace {slug})")


class _Bar:
    """How far an import has come, by bytes, where a person watches: with output to a terminal."""

    def __init__(self, size: int, files: int, *, is_shown: bool) -> None:
        is_terminal = sys.stdout.isatty() and sys.stderr.isatty()
        self._files, self._done, self._begun = files, 0, 0
        self._bar = tqdm(
            desc=self._counted(),
            total=size,
            unit="B",
            unit_scale=True,
            disable=not (is_shown and is_terminal),
            leave=False,
        )

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def at(self, offset: int) -> None:
        """So many bytes of the file at hand are dealt with."""
        self._bar.update(max(self._begun + offset - self._bar.n, 0))

    def file_done(self, size: int) -> None:
        self._begun += size
        self._done += 1
        self.at(0)
        self._count()

    def _count(self) -> None:
        self._bar.set_description(self._counted(), refresh=False)

    def _counted(self) -> str:
        return f"{self._done:,} of {self._files:,} files"


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM has come. A second one is not waited for: it does what it always did."""
    signals = (signal.SIGINT, signal.SIGTERM)
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in signals}

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        for one in signals:
            signal.signal(one, before[one])

    for number in signals:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number in signals:
            signal.signal(number, before[number])
