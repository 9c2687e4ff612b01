"""Toys: rows of a kind that the product does not have, ready to be listed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from sessions_app.kinds import SessionModel, open_field, session_indexes
from workspace.tenancy import TenantQuerySet


class ToyStatus(models.TextChoices):
    WOUND_UP = "wound_up"
    SPINNING = "spinning"
    STUCK = "stuck"
    STOPPED = "stopped"
    BROKEN = "broken"
    LOST = "lost"


LIVE = Q(status__in=["spinning", "stuck", "wound_up"])


class Toy(SessionModel):
    """A spinning top.

    wound_up -> spinning <-> stuck;  any of these -> stopped | broken | lost
    """

    status = models.CharField(max_length=20, choices=ToyStatus, default=ToyStatus.WOUND_UP)
    is_open = open_field(LIVE)
    turn_count = models.PositiveIntegerField(default=0)

    objects = TenantQuerySet["Toy"].as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(status__in=ToyStatus.values), name="toy_status")]
        indexes = session_indexes(
            "toy",
            {
                "live": LIVE,
                "rest": ~LIVE,
                "attention": Q(status="stuck"),
                "problem": Q(status="broken"),
                "neutral": Q(status="lost"),
            },
        )
