"""What an operator does in the admin: runs an action, fills a form in."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client
from django.urls import reverse

__all__ = ["change_page", "list_page", "messages_of", "run_action"]


def list_page(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def change_page(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def run_action(desk: Client, rows: list[Any], action: str) -> Any:
    """Choose these rows in their list, run the action and answer yes to the question that may follow."""
    chosen = [str(row.pk) for row in rows]
    data = {"action": action, "_selected_action": chosen, "confirmed": "yes"}
    return desk.post(list_page(type(rows[0])), data)


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]
