from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from intake.files import Found, look_for_files
from intake.importing import Importer
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
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder to walk")
        parser.add_argument("--workspace", required=True, help="the workspace's name in addresses")
        parser.add_argument(
            "--owner", required=True, help="e-mail address of the member who owns the sessions"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a file")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen; keep nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        importer = self._importer(options["workspace"], options["owner"])
        try:
            found = look_for_files([Path(path).expanduser() for path in options["paths"]])
        except FileNotFoundError as missing:
            raise CommandError(f"there is no file or folder {missing}", returncode=2) from None
        counts: Counter[str] = Counter()
        has_lost = False
        with transaction.atomic() if options["dry_run"] else nullcontext():
            for report in self._import(importer, found):
                counts[report.outcome.value] += 1
                has_lost = has_lost or report.has_lost
                self._tell(report, as_json=options["json"])
            if options["dry_run"]:
                transaction.set_rollback(True)
        if not options["json"]:
            self._sum_up(counts, options["workspace"], is_dry=options["dry_run"])
        if has_lost:
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

    def _import(self, importer: Importer, found: Found) -> Iterator[FileReport]:
        for path, reason in found.unreadable:
            yield importer.unreadable(path, reason)
        for path in found.files:
            yield importer.import_file(path)

    def _tell(self, report: FileReport, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(report.to_json(), ensure_ascii=False))
            return
        words = f"{report.outcome.value:9}  {report.path}"
        if report.session:
            words += f"  {report.session}, {report.entries:,} entries"
            words += f", {report.children} sub-agents" if report.children else ""
            words += f", {report.redactions:,} redacted" if report.redactions else ""
        self.stdout.write(words)
        for problem in report.problems:
            self.stdout.write(f"           line {problem.line}: {problem.severity.value}: {problem.reason}")
        if report.more_problems:
            self.stdout.write(f"           and {report.more_problems:,} more")

    def _sum_up(self, counts: Counter[str], slug: str, *, is_dry: bool) -> None:
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items())) or "no files"
        self.stdout.write(f"{'Would be: ' if is_dry else ''}{told} (workspace {slug})")
