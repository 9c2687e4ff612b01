"""What people call the values of a filter: names for ids, labels for keys."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from sessions_app.filters import IDS
from sessions_app.kinds import Origin, StatusInfo, Tone
from sessions_app.registry import all_kinds
from workspace.models import Initiative, Plan, User

__all__ = ["FACET_LABELS", "TONE_LABELS", "UPDATED_LABELS", "label_values", "status_info"]

FACET_LABELS = {
    "owner": "Owner",
    "kind": "Kind",
    "status": "Status",
    "initiative": "Initiative",
    "plan": "Plan",
    "origin": "Origin",
    "repo": "Repo",
    "has": "Has",
    "updated": "Updated",
}

UPDATED_LABELS = {
    "1h": "In the last hour",
    "24h": "In the last 24 hours",
    "7d": "In the last 7 days",
    "30d": "In the last 30 days",
    "90d": "In the last 90 days",
}

TONE_LABELS = {
    Tone.ACTIVE: "Active",
    Tone.ATTENTION: "Needs attention",
    Tone.SUCCESS: "Done",
    Tone.PROBLEM: "Failed",
    Tone.NEUTRAL: "Other",
}


def label_values(name: str, values: Collection[str], *, tenant_id: uuid.UUID) -> dict[str, str]:
    """A label for each value of one of the `MULTIPLE` filters; costs a query for ids, none for the rest."""
    if not values:
        return {}
    if name in IDS:
        known = _names(name, {uuid.UUID(value) for value in values}, tenant_id)
        return {value: known.get(uuid.UUID(value), "Unknown") for value in values}
    labels: dict[str, str] = {}
    match name:
        case "kind":
            labels = {kind.key: kind.label_plural for kind in all_kinds()}
        case "tone":
            labels = {tone.value: text for tone, text in TONE_LABELS.items()}
        case "status":
            labels = {status: info.label for status, info in status_info().items()}
        case "has":
            labels = {"redaction": "Redactions"}
        case "origin":
            labels = {origin.value: str(origin.label) for origin in Origin}
    return {value: labels.get(value, value) for value in values}


def status_info() -> dict[str, StatusInfo]:
    """Every status of every kind, as the first kind that has it shows it."""
    found: dict[str, StatusInfo] = {}
    for kind in all_kinds():
        for status, info in kind.statuses.items():
            found.setdefault(status, info)
    return found


def _names(name: str, ids: Collection[uuid.UUID], tenant_id: uuid.UUID) -> dict[uuid.UUID, str]:
    if name == "owner":
        people = User.objects.only("email", "name").filter(pk__in=ids)
        return {user.pk: user.display_name for user in people}
    places = (Initiative.objects if name == "initiative" else Plan.objects).for_tenant(tenant_id)
    return dict(places.filter(pk__in=ids).values_list("pk", "name"))
