"""A session kind that is not complete is named when the product starts."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.db.models import F, Q
from django.db.models.lookups import GreaterThan

from sessions_app.bands import decide
from sessions_app.checks import _check_shared_statuses, check_database, check_kind
from sessions_app.kinds import Moment, StatusInfo, Tone
from sessions_app.registry import get_kind
from tests.toy_kind.models import LIVE
from tests.toy_kind.session_kind import ToyKind

STATUSES = ToyKind.statuses


def bands(live: Q, *rest: Q) -> dict[str, Any]:
    return {"live_q": lambda self, moment: live, "rest_qs": lambda self, moment: rest}


def problems(**attributes: Any) -> list[str]:
    """The ids of what is wrong with a toy kind that differs in these attributes."""
    kind = type("StrangeKind", (ToyKind,), attributes)()
    return [problem.id.removeprefix("sessions_app.") for problem in check_kind(kind)]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, []),
        ({"icon": ""}, ["E001"]),
        ({"page": ""}, ["E001"]),
        ({"key": "a toy"}, ["E002"]),
        ({"statuses": {s: info for s, info in STATUSES.items() if s != "lost"}}, ["E003"]),
        ({"statuses": {**STATUSES, "melted": StatusInfo("Melted", Tone.NEUTRAL, "x")}}, ["E004"]),
        ({"statuses": {**STATUSES, "lost": StatusInfo("Lost", "grey", "x")}}, ["E005"]),
        ({"statuses": {**STATUSES, "lost": StatusInfo("", Tone.NEUTRAL, "x")}}, ["E006"]),
        ({"text_fields": ("title", "colour")}, ["E008"]),
        ({"text_fields": ("turn_count",)}, ["E009"]),
        (bands(LIVE, ~LIVE & Q(is_folded=False)), ["E010"]),
        (bands(LIVE, Q(status="stopped")), ["E011", "E011"]),
        (bands(LIVE, ~LIVE, Q(status="lost")), ["E012"]),
        (bands(LIVE, ~LIVE | Q(status="stuck")), ["E012"]),
        (bands(LIVE, ~Q(status__startswith="s")), ["E014"]),
        (bands(LIVE, ~Q(GreaterThan(F("status"), "s"))), ["E014"]),
    ],
)
def test_what_is_wrong_with_a_kind_has_a_number(attributes: dict[str, Any], expected: list[str]) -> None:
    assert problems(**attributes) == expected


def test_halves_that_meet_at_an_instant_are_tried_on_both_sides_of_it() -> None:
    class ForgetfulKind(ToyKind):
        """Live until it goes quiet, and in neither band at that very instant."""

        def live_q(self, moment: Moment) -> Q:
            return Q(changed_at__gt=moment.quiet_before)

        def rest_qs(self, moment: Moment) -> tuple[Q, ...]:
            return (Q(changed_at__lt=moment.quiet_before),)

    found = check_kind(ForgetfulKind())
    assert {problem.id for problem in found} == {"sessions_app.E011"}
    assert len(found) == len(STATUSES)


def test_a_status_has_one_tone_wherever_it_occurs() -> None:
    statuses = {**STATUSES, "lost": StatusInfo("Lost", Tone.PROBLEM, "x")}
    other = type("OtherKind", (ToyKind,), {"key": "other", "statuses": statuses})()
    (problem,) = _check_shared_statuses([get_kind("toy"), other])
    assert problem.id == "sessions_app.E013"
    assert "'lost'" in problem.msg


def test_parameters_bound_by_the_server_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_database(None) == []
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "server_side_binding", "1")
    assert [problem.id for problem in check_database(None)] == ["sessions_app.E020"]


def test_the_checks_run_with_the_products_own() -> None:
    assert not [problem for problem in run_checks() if str(problem.id).startswith("sessions_app.")]


@pytest.mark.parametrize(
    ("condition", "known", "answer"),
    [
        (Q(), {}, True),
        (Q(status="a"), {}, None),
        (Q(status="a"), {"status": "a"}, True),
        (~Q(status__in=["a", "b"]), {"status": "b"}, False),
        (Q(status="a", changed_at__gt=1), {"status": "b"}, False),
        (Q(status="a", changed_at__gt=1), {"status": "a"}, None),
        (Q(status="a") | Q(changed_at__lte=1), {"status": "a"}, True),
        (Q(status="a") | Q(changed_at__lte=1), {"status": "b"}, None),
        (~(Q(status="a") & Q(changed_at__lt=1)), {"status": "a"}, None),
        (Q(changed_at__gte=2) & Q(changed_at__lt=3), {"changed_at": 2}, True),
        (Q(changed_at__exact=2), {"changed_at": 3}, False),
    ],
)
def test_a_condition_is_decided_as_far_as_the_columns_are_known(
    condition: Q, known: dict[str, Any], answer: bool | None
) -> None:
    assert decide(condition, known) is answer
