"""Links from one page of the admin to another."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from sessions_app.registry import all_kinds

__all__ = ["link_to_list", "link_to_row", "link_to_session"]


def link_to_row(model: type[Model], key: Any, text: str) -> str:
    opts = model._meta
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[key])
    return format_html('<a href="{}">{}</a>', url, text)


def link_to_list(model: type[Model], text: str, **filters: str) -> str:
    """A link to the rows of `model` that these parameters of its list leave."""
    opts = model._meta
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(filters), text)


def link_to_session(kind_key: str, key: uuid.UUID | None) -> str:
    """A session of whichever kind; plain text where the kind is not installed any more."""
    if key is None:
        return "-"
    text = f"{kind_key} {key}"
    models = {kind.key: kind.model for kind in all_kinds()}
    return link_to_row(models[kind_key], key, text) if kind_key in models else text
