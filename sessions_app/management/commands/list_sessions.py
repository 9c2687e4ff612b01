from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import QueryDict
from django.utils import timezone

from sessions_app.filters import EXCLUDE, MULTIPLE
from sessions_app.kinds import Moment, SessionRow
from sessions_app.parameters import BadParameter, ListRequest, Problem, read_parameters
from sessions_app.queries import PAGE_SIZE, Page, page
from workspace.models import Tenant

#: The filters that are given once, with what they take.
SINGLE = {
    "updated": "changed within 1h, 24h, 7d, 30d or 90d",
    "updated_after": "changed at or after this ISO date or time (UTC unless it says otherwise)",
    "updated_before": "changed before this ISO date or time",
    "q": "words that all occur in the title or the error, at least three characters each",
    "tab": "needs-you, active or failed",
    "cursor": "go on from where a page ended",
}
MOST_ROWS = 1000
BAD_VALUE = 2


class Command(BaseCommand):
    help = "List a workspace's sessions: the active ones first, the rest by last change."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", required=True, metavar="SLUG", help="whose sessions")
        for name in MULTIPLE:
            flag = name.replace("_", "-")
            parser.add_argument(
                f"--{flag}", action="append", default=[], help=f"only this {name} (repeatable)"
            )
            parser.add_argument(
                f"--not-{flag}", action="append", default=[], help=f"without this {name} (repeatable)"
            )
        for name, text in SINGLE.items():
            parser.add_argument(f"--{name.replace('_', '-')}", action="append", default=[], help=text)
        parser.add_argument("--limit", type=int, default=PAGE_SIZE, help=f"rows at most, 1 to {MOST_ROWS}")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant, request, limit = read_options(options)
        except BadParameter as error:
            raise CommandError("\n".join(map(str, error.problems)), returncode=BAD_VALUE) from error
        found = page(
            tenant=tenant,
            filters=request.filters,
            moment=Moment.of(tenant, timezone.now()),
            cursor=request.cursor,
            size=limit,
        )
        if options["json"]:
            self.stdout.write(
                json.dumps(as_document(tenant, found), default=str, ensure_ascii=False, indent=2)
            )
        else:
            self.stdout.writelines(f"{line}\n" for line in as_table(found))


def read_options(options: dict[str, Any]) -> tuple[Tenant, ListRequest, int]:
    """The workspace, what is asked of it and how many rows. Raises `BadParameter`."""
    tenant = Tenant.objects.filter(slug=options["workspace"]).first()
    if tenant is None:
        raise BadParameter([Problem("workspace", options["workspace"], "there is no such workspace")])
    if not 1 <= options["limit"] <= MOST_ROWS:
        raise BadParameter([Problem("limit", str(options["limit"]), f"it is not between 1 and {MOST_ROWS}")])
    params = QueryDict(mutable=True)
    for name in (*MULTIPLE, *(EXCLUDE + name for name in MULTIPLE), *SINGLE):
        params.setlist(name, options[name])
    return tenant, read_parameters(params, tenant_id=tenant.pk), options["limit"]


def as_document(tenant: Tenant, found: Page) -> dict[str, Any]:
    """What `--json` prints: the rows with all that the page shows of them, and the cursors."""
    return {
        "workspace": tenant.slug,
        "as_of": found.as_of.isoformat(),
        "is_partial": found.is_partial,
        "next_cursor": found.next_cursor or None,
        "previous_cursor": found.previous_cursor or None,
        "sessions": [{"key": row.key, **asdict(row)} for row in found.rows],
    }


def as_table(found: Page) -> Iterator[str]:
    """Both bands under their names, in columns as wide as they must be."""
    lines = [as_line(row) for row in found.rows]
    widths = [max((len(line[column]) for line in lines), default=0) for column in range(5)]
    for title, rows in (("Active", found.live), ("Everything else", found.rest)):
        if rows:
            yield title
        for row in rows:
            yield "  " + "  ".join(map(str.ljust, as_line(row), widths)).rstrip()
            if row.error:
                yield f"    {row.error}"
    if not found.rows:
        yield "No session matches."
    if found.is_partial:
        yield "Too many sessions hold these words: only the newest were searched. Narrow it by date or owner."
    if found.next_cursor:
        yield f"More: --cursor {found.next_cursor}"


def as_line(row: SessionRow) -> Sequence[str]:
    changed = row.changed_at.isoformat(timespec="minutes")
    return row.status_label, row.kind_label, row.title, row.owner_name, f"{changed}  {row.progress.label}"
