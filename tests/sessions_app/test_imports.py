"""The rule that other apps use only the contract of the lens holds for each of its modules, new ones too."""

from __future__ import annotations

import pkgutil
import tomllib

from django.conf import settings

import sessions_app

#: What other apps build on; everything else of the lens is its own affair.
OPEN = {"sessions_app.kinds", "sessions_app.registry", "sessions_app.live"}


def test_every_other_module_of_the_lens_is_closed_to_other_apps() -> None:
    rules = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (closed,) = (set(rule["forbidden_modules"]) for rule in rules if "of the lens" in rule["name"])
    modules = {f"sessions_app.{module.name}" for module in pkgutil.iter_modules(sessions_app.__path__)}
    assert closed == modules - OPEN
