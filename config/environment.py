"""Reading settings out of the environment. A bad value raises here, naming its variable."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

from config import locks

# Held by `make run`, which writes "process NUMBER, URL" into it.
RUN_LOCK = "run.lock"
BASE_DIR = Path(__file__).resolve().parent.parent


def read_data_dir() -> Path:
    """The folder that holds everything this installation keeps."""
    return Path(os.environ.get("DATA_DIR") or BASE_DIR / ".data").expanduser().resolve()


def read_bool(name: str, default: bool) -> bool:
    value = os.environ.get(name, "").lower()
    if value in {"", "1", "true", "yes", "0", "false", "no"}:
        return default if value == "" else value in {"1", "true", "yes"}
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")


def read_int(name: str, default: int, *, lowest: int = 0, highest: int = 2**31) -> int:
    value = os.environ.get(name) or str(default)
    if not re.fullmatch(r"\d{1,10}", value) or not lowest <= int(value) <= highest:
        raise ImproperlyConfigured(f"{name} must be a number from {lowest} to {highest}, not {value!r}")
    return int(value)


def read_list(name: str) -> list[str]:
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def read_folder(name: str, default: Path) -> Path:
    """An absolute path. What stands there already must be a folder."""
    return _check_folder(name, os.environ[name]) if os.environ.get(name) else default


def read_folders(name: str, default: Path) -> list[Path]:
    """Absolute paths, with what separates those of PATH between them."""
    given = [part for part in os.environ.get(name, "").split(os.pathsep) if part]
    return [_check_folder(name, part) for part in given] or [default]


def _check_folder(name: str, value: str) -> Path:
    path = Path(value).expanduser()
    if not path.is_absolute():
        raise ImproperlyConfigured(f"{name} must be an absolute path, not {value!r}")
    if path.exists() and not path.is_dir():
        raise ImproperlyConfigured(f"{name} must name a folder, and {value!r} is none")
    return path.resolve()


def read_url(name: str) -> str:
    """An address of the web, empty if none is set. Keys and passwords have settings of their own."""
    url = os.environ.get(name, "").strip()
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None):
        raise ImproperlyConfigured(f"{name} must look like http://127.0.0.1:8080/v1, with no user in it")
    return url


def read_port() -> int:
    return read_int("PORT", 8000, lowest=1, highest=65_535)


def read_public_url() -> SplitResult:
    """Where people reach the product: scheme, host and port, nothing behind them.

    A command beside a running `make run` speaks of where that one is reached, whatever port it was given.
    """
    url = os.environ.get("PUBLIC_URL") or (
        "" if os.environ.get("PORT") else read_running_url(read_data_dir())
    )
    url = url or f"http://127.0.0.1:{read_port()}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ImproperlyConfigured(f"PUBLIC_URL must look like https://sessions.example.com, not {url!r}")
    return parts._replace(path="")


def read_running_url(data_dir: Path) -> str:
    """Where the `make run` of the data folder is reached, from its lock file; empty when none runs."""
    path = data_dir / RUN_LOCK
    try:
        return path.read_text(encoding="utf-8").rpartition(" ")[2] if locks.is_held_exclusively(path) else ""
    except OSError:
        return ""


def read_database_url() -> str:
    """DATABASE_URL, or where the embedded server of the data folder answers. Starts nothing."""
    given = os.environ.get("DATABASE_URL")
    if given:
        return given
    # Imported here so that nothing of the embedded services is even loaded when URLs are given.
    from config.embedded.layout import Layout

    return Layout(read_data_dir()).database_url


def read_redis_url() -> str:
    """REDIS_URL, or where the embedded server of the data folder answers. Starts nothing."""
    given = os.environ.get("REDIS_URL")
    if given:
        return given
    from config.embedded.layout import Layout

    return Layout(read_data_dir()).redis_url


def parse_database_url(url: str) -> dict[str, object]:
    """postgres://user:password@host:port/name?host=/socket/folder as Django's dictionary."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"DATABASE_URL must begin with postgres://, not {parts.scheme!r}")
    options: dict[str, object] = dict(parse_qsl(parts.query))
    try:
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"DATABASE_URL has a bad port: {error}") from error
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": str(port or ""),
        "OPTIONS": options,
    }


def check_redis_url(url: str) -> str:
    if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        raise ImproperlyConfigured(f"REDIS_URL must begin with redis://, rediss:// or unix://, not {url!r}")
    return url


def choose_redis_database(url: str, number: int) -> str:
    """The same server, another of its numbered databases."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return urlunsplit(parts._replace(path=f"/{number}"))
    query = dict(parse_qsl(parts.query)) | {"db": str(number)}
    return f"unix://{parts.path}?{urlencode(query)}"


def make_broker_url(redis_url: str) -> str:
    """Celery's spelling of REDIS_URL: it says redis+socket where others say unix."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = dict(parse_qsl(parts.query))
    database = query.pop("db", "0")
    return f"redis+socket://{parts.path}?{urlencode({**query, 'virtual_host': database})}"


def make_channels_host(redis_url: str, socket_timeout_seconds: int) -> str:
    """Channels' spelling of REDIS_URL, with an explicit time limit on a silent socket."""
    parts = urlsplit(redis_url)
    query = dict(parse_qsl(parts.query)) | {"socket_timeout": str(socket_timeout_seconds)}
    return f"{parts.scheme}://{parts.netloc}{quote(parts.path, safe='/%')}?{urlencode(query)}"
