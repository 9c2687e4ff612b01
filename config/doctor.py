"""What can be wrong with an installation, and what to do about it: one finding for each part."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Sum

from agents.prompting.providers import ModelNotSet, choose
from agents.sandbox import probe as probe_sandbox
from audit.models import Surfacing
from config import locks
from config.environment import RUN_LOCK
from config.health import BEATING_PARTS, OK, HealthProbe

OLDEST_POSTGRES = 150_000
LEAST_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """``remedy`` says what to do; it is empty exactly when the part is well."""

    part: str
    detail: str
    remedy: str = ""

    @property
    def is_ok(self) -> bool:
        return not self.remedy


def examine(services_error: str = "") -> Iterator[Finding]:
    """Every finding, in the order in which the parts depend on one another. Raises nothing.

    ``services_error`` is why the embedded services could not be brought up, if they could not.
    """
    yield Finding("python", sys.version.split()[0])
    yield examine_data_folder(settings.DATA_DIR)
    yield examine_keys(settings.DATA_DIR / "keys")
    if services_error:
        yield Finding("services", services_error, "see docs/running.md")
        return
    conditions = asyncio.run(look())
    yield examine_postgres(conditions["postgres"])
    yield examine_valkey(conditions["valkey"])
    if conditions["postgres"] == OK:
        migrations = examine_migrations()
        yield migrations
        if migrations.is_ok:
            yield examine_withheld()
    yield examine_static_files(settings.STATIC_ROOT)
    yield examine_model()
    yield examine_git()
    yield examine_sandbox()
    is_running = locks.is_held_exclusively(settings.DATA_DIR / RUN_LOCK)
    for part in BEATING_PARTS:
        yield examine_process(part, conditions[part], is_running=is_running)


async def look() -> dict[str, str]:
    probe = HealthProbe()
    try:
        return await probe.look()
    finally:
        await probe.close()


def examine_data_folder(data_dir: Path) -> Finding:
    if not os.access(data_dir, os.W_OK | os.X_OK):
        return Finding(
            "data folder", f"{data_dir} cannot be written", "give it to this user, or set DATA_DIR"
        )
    free_bytes = shutil.disk_usage(data_dir).free
    detail = f"{data_dir}, {free_bytes / 1e9:.1f} GB free"
    return Finding("data folder", detail, "make room" if free_bytes < LEAST_FREE_BYTES else "")


def examine_keys(folder: Path) -> Finding:
    open_files = [path.name for path in sorted(folder.glob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_files:
        return Finding("keys", f"others may read {', '.join(open_files)}", f"chmod 600 {folder}/*")
    sources = [
        "environment" if os.environ.get(name) else str(folder) for name in ("SECRET_KEY", "SEALING_KEYS")
    ]
    return Finding("keys", " and ".join(dict.fromkeys(sources)))


def examine_postgres(condition: str) -> Finding:
    remedy = "see logs/postgres.log in the data folder"
    if os.environ.get("DATABASE_URL"):
        remedy = "see that DATABASE_URL names a server that runs and lets us in"
    if condition != OK:
        return Finding("postgres", condition, remedy)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            version = int(cursor.fetchone()[0])
    except DatabaseError as error:
        return Finding("postgres", str(error).strip(), remedy)
    detail = f"PostgreSQL {version // 10_000}.{version % 10_000}, {origin('DATABASE_URL')}"
    return Finding("postgres", detail, "" if version >= OLDEST_POSTGRES else "use PostgreSQL 15 or newer")


def examine_valkey(condition: str) -> Finding:
    remedy = "see logs/valkey.log in the data folder"
    if os.environ.get("REDIS_URL"):
        remedy = "see that REDIS_URL names a server that runs and lets us in"
    return Finding("valkey", origin("REDIS_URL")) if condition == OK else Finding("valkey", condition, remedy)


def origin(variable: str) -> str:
    return f"named by {variable}" if os.environ.get(variable) else "embedded"


def examine_migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        return Finding("migrations", f"{missing} not applied", "manage.py prepare (make run does it)")
    return Finding("migrations", "all applied")


def examine_withheld() -> Finding:
    """Texts that could not be scanned for credentials. They stay withheld: nothing here can be put right."""
    withheld = Surfacing.objects.filter(digest="").aggregate(texts=Sum("count"), rows=Count("pk"))
    where = f": see {settings.PUBLIC_URL}/admin/audit/surfacing/?withheld=1" if withheld["rows"] else ""
    return Finding("withheld texts", f"{withheld['texts'] or 0}{where}")


def examine_static_files(folder: Path) -> Finding:
    if not (folder / "staticfiles.json").exists():
        return Finding("static files", f"none in {folder}", "manage.py prepare (make run does it)")
    return Finding("static files", str(folder))


def examine_model() -> Finding:
    """The model of profiles that name none; whether its key is right only its provider can tell."""
    if not settings.MODEL_DEFAULT:
        return Finding("model", "none by default: MODEL_DEFAULT is not set, profiles have to name theirs")
    try:
        choice = choose("", {})
    except ModelNotSet as missing:
        return Finding("model", settings.MODEL_DEFAULT, str(missing))
    key = choice.key_name if choice.key else "none"
    return Finding("model", f"{choice.name} at {choice.place}, key: {key}")


def examine_git() -> Finding:
    """Only flows that name a repository need it."""
    program = shutil.which("git")
    if program is None:
        return Finding("git", "not on the PATH", "install git, or let no flow name a repository")
    places = ", ".join(f"{root}/WORKSPACE" for root in settings.REPO_ROOTS)
    return Finding("git", f"{program}; repositories of flows lie in {places}")


def examine_sandbox() -> Finding:
    """What commands of flows run inside of. None is allowed, and said."""
    problem = probe_sandbox()
    if not problem:
        return Finding("sandbox", "bubblewrap")
    return Finding("sandbox", f"none: {problem}; commands see what this user sees (docs/runtimes.md)")


def examine_process(part: str, condition: str, *, is_running: bool) -> Finding:
    if condition == OK:
        return Finding(part, "alive")
    return Finding(part, condition, "see what make run prints" if is_running else "make run")
