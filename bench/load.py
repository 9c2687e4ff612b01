"""Work going on beside what is measured: progress of runs and tasks, messages in chats, each a transaction.

Run as a process of its own, so that it takes no time from the one that measures: it writes what the services
write of a session, until its standard input ends, then says how much that was.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

UPDATES, MESSAGES = 300, 60
#: Connections that share the work, as workers do.
WORKERS = 4
#: The chats that take the messages, the newest.
CHATS = 500

PROGRESS = {
    "flows_flowrun": "step_position = 1 + mod(step_position, step_count)",
    "tasks_backgroundtask": "turn_count = turn_count + 1",
}
MESSAGE = """
WITH touched AS (
    UPDATE chats_chat SET changed_at = now(), last_message_at = now(),
        message_count = message_count + 1
    WHERE tenant_id = %(tenant)s AND id = %(chat)s AND ended_at IS NULL
), numbered AS (
    UPDATE audit_transcript SET next_seq = next_seq + 1
    WHERE tenant_id = %(tenant)s AND session_kind = 'chat' AND session_id = %(chat)s
    RETURNING id, next_seq - 1 AS seq
)
INSERT INTO audit_transcriptentry (id, tenant_id, transcript_id, seq, kind, native_id, role, text, tool_name,
    call_id, path, patch, is_partial, is_error, is_meta, model, message_id, attempt, data)
SELECT gen_random_uuid(), %(tenant)s, id, seq, 'message', 'm' || seq, 'assistant',
    repeat('a message ', 40), '', '', '', '', false, false, false, '', '', 1, '{}' FROM numbered
"""


@dataclass
class Load:
    """What was written, known once it has ended."""

    report: dict[str, Any] = field(default_factory=dict)


@contextmanager
def load(conninfo: str, tenant_id: uuid.UUID) -> Iterator[Load]:
    """300 updates and 60 messages a second for as long as this lasts."""
    from audit.models import Transcript
    from chats.models import Chat

    chats = Chat.objects.for_tenant(tenant_id).filter(is_open=True, is_folded=False).order_by("-changed_at")
    Transcript.objects.bulk_create(
        [Transcript(tenant_id=tenant_id, session_kind="chat", session_id=chat.pk) for chat in chats[:CHATS]],
        ignore_conflicts=True,
    )
    command = [sys.executable, "-m", "bench.load", conninfo, str(tenant_id)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    going = Load()
    try:
        yield going
    finally:
        answer, _ = process.communicate()
        going.report = json.loads(answer)


class _Writers:
    def __init__(self, conninfo: str, tenant_id: str) -> None:
        self.conninfo, self.tenant_id = conninfo, tenant_id
        self.is_over = threading.Event()
        self.written = [0] * WORKERS
        with self._connect() as connection:
            self.live = {table: self._keys(connection, table) for table in PROGRESS}
            self.chats = [
                key
                for (key,) in connection.execute(
                    "SELECT id FROM chats_chat WHERE tenant_id = %s AND NOT is_folded AND is_open"
                    " ORDER BY changed_at DESC LIMIT %s",
                    [tenant_id, CHATS],
                )
            ]

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.conninfo, autocommit=True)

    def _keys(self, connection: psycopg.Connection[Any], table: str) -> list[uuid.UUID]:
        rows = connection.execute(
            f"SELECT id FROM {table} WHERE tenant_id = %s AND is_open LIMIT 2000", [self.tenant_id]
        )
        return [key for (key,) in rows]

    def work(self, number: int) -> None:
        """One worker's share, at its pace; late work is caught up with."""
        rng = random.Random(number)
        pause = WORKERS / (UPDATES + MESSAGES)
        with self._connect() as connection:
            began = time.monotonic()
            while not self.is_over.is_set():
                self._write(connection, rng)
                self.written[number] += 1
                ahead = began + self.written[number] * pause - time.monotonic()
                self.is_over.wait(max(0.0, ahead))

    def _write(self, connection: psycopg.Connection[Any], rng: random.Random) -> None:
        if rng.random() < MESSAGES / (UPDATES + MESSAGES):
            connection.execute(MESSAGE, {"tenant": self.tenant_id, "chat": rng.choice(self.chats)})
            return
        table = rng.choice([table for table, keys in self.live.items() if keys])
        connection.execute(
            f"UPDATE {table} SET changed_at = now(), {PROGRESS[table]} WHERE tenant_id = %s AND id = %s",
            [self.tenant_id, rng.choice(self.live[table])],
        )


def main() -> None:
    writers = _Writers(*sys.argv[1:])
    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        shares = [pool.submit(writers.work, number) for number in range(WORKERS)]
        print("writing", flush=True)
        sys.stdin.read()
        writers.is_over.set()
    for share in shares:
        share.result()
    seconds = time.monotonic() - began
    print(
        json.dumps({"writes_per_s": round(sum(writers.written) / seconds, 1), "seconds": round(seconds, 1)})
    )


if __name__ == "__main__":
    main()
