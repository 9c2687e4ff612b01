"""What people set is written down."""

from __future__ import annotations

import re

from config.environment import BASE_DIR

READ = re.compile(
    r"""(?:environ\.get\(|environ\[|read_(?:bool|int|list|folders?|url|concurrency)\()\s*"([A-Z_]+)\""""
)
SHELL_READ = re.compile(r"\$\{([A-Z_]+):-")
# Other programs' variables, and what our processes tell one another.
NOT_OURS = {"HOME", "PYTHONSAFEPATH", "STARTED_BY_RUN", "DJANGO_SETTINGS_MODULE", "PYTEST_XDIST_WORKER"}
NOT_OURS |= {"XDG_RUNTIME_DIR", "SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}


def test_every_variable_that_is_read_is_in_the_table_of_settings() -> None:
    read = set()
    for path in (BASE_DIR / "config").rglob("*.py"):
        read |= set(READ.findall(path.read_text()))
    for path in (BASE_DIR / "config").glob("*.sh"):
        read |= set(SHELL_READ.findall(path.read_text()))
    page = (BASE_DIR / "docs" / "running.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = set(re.findall(r"`([A-Z_]+)`", " ".join(rows)))
    assert read - NOT_OURS - documented == set()
    assert {"PORT", "DATA_DIR", "LOG_LEVEL", "CHROMIUM"} <= read
    assert documented - read == set()
