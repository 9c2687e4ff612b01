"""What others wrote and we serve is pinned: by name, version, licence and sum."""

import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"
LINE = re.compile(r"^\| `([^`]+)` \| [^|]+ \| [^|]+ \| [^|]+ \| `(\w{64})` \|$", re.MULTILINE)
SUMS = dict(LINE.findall((VENDOR / "README.md").read_text()))


def test_every_vendored_file_is_in_the_manifest() -> None:
    assert set(SUMS) == {path.name for path in VENDOR.iterdir()} - {"README.md"}


@pytest.mark.parametrize("name", sorted(SUMS))
def test_a_vendored_file_is_what_the_manifest_says(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == SUMS[name]
