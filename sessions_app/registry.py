"""Which kinds of session there are: each app's `session_kind.py` registers its own at start."""

from __future__ import annotations

from django.apps import apps
from django.utils.module_loading import autodiscover_modules

from sessions_app.kinds import SessionKind, SessionModel

__all__ = ["all_kinds", "autodiscover", "get_kind", "register", "unregister"]

_kinds: dict[str, SessionKind] = {}


def register(kind: SessionKind) -> SessionKind:
    """Add a kind. Raises TypeError for what is no `SessionKind`, ValueError for a key or model taken."""
    if not isinstance(kind, SessionKind):
        raise TypeError(f"{kind!r} is not a SessionKind instance")
    if not issubclass(kind.model, SessionModel):
        raise TypeError(f"{kind.key}: {kind.model.__name__} is not a SessionModel")
    if kind.key in _kinds:
        raise ValueError(f"the kind {kind.key!r} is registered already, by {type(_kinds[kind.key]).__name__}")
    if any(kind.model is other.model for other in _kinds.values()):
        raise ValueError(f"{kind.model.__name__} is registered already, as another kind")
    _kinds[kind.key] = kind
    return kind


def unregister(key: str) -> None:
    """Remove a kind that a test has added. Raises KeyError if there is none."""
    del _kinds[key]


def all_kinds() -> tuple[SessionKind, ...]:
    """Every kind, in the order in which the settings install their apps: the same in each process."""
    places = {config.label: place for place, config in enumerate(apps.get_app_configs())}
    return tuple(sorted(_kinds.values(), key=lambda kind: places[kind.model._meta.app_label]))


def get_kind(key: str) -> SessionKind:
    """Raises KeyError for an unknown key."""
    return _kinds[key]


def autodiscover() -> None:
    autodiscover_modules("session_kind")
