"""How PostgreSQL answers queries: what it reads and through which index."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext


@dataclass(frozen=True)
class Plan:
    """One executed query: its nodes flattened, and how many pages it touched."""

    sql: str
    nodes: tuple[dict[str, Any], ...]
    buffers: int

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def scanned(self) -> set[str]:
        """The tables that were read from end to end."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}

    @property
    def rows_read(self) -> int:
        """Rows that scans gave or threw away: how far the indexes were walked."""
        scans = [
            node for node in self.nodes if node["Node Type"].endswith("Scan") and "Relation Name" in node
        ]
        return sum(
            int(node["Actual Rows"] * node["Actual Loops"]) + node.get("Rows Removed by Filter", 0)
            for node in scans
        )


def explain(sql: str, params: Any = None) -> Plan:
    """Run a query and tell how."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", params)
        (answer,) = cursor.fetchone()
    root = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return Plan(sql, tuple(_flatten(root)), root["Shared Hit Blocks"] + root["Shared Read Blocks"])


def statements_of(action: Callable[[], object]) -> list[str]:
    """Every query that the action makes, with its values in it."""
    with CaptureQueriesContext(connection) as captured:
        action()
    queries = [query["sql"] for query in captured.captured_queries]
    return [sql for sql in queries if re.match(r"\(?(SELECT|WITH)", sql)]


def plans_of(action: Callable[[], object]) -> list[Plan]:
    """Every query that the action makes, run once more for its plan."""
    return [explain(sql) for sql in statements_of(action)]


def _flatten(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _flatten(child)
