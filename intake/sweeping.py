"""What the clock does for staged files: send again what was lost on the way, forget what is over."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from intake.models import FileState, StagedFile, Upload
from intake.staged_import import q_due
from intake.staging import SENT_FOR, send_upload

__all__ = ["KEPT_FOR", "forget_staged", "resend_staged"]

#: How long a file is kept in a state that nobody works on. What never became whole and what was set aside
#: lies sealed for that long; of what is done only the report is left.
KEPT_FOR = {
    FileState.RECEIVING: timedelta(days=1),
    FileState.DEAD: timedelta(days=14),
    FileState.DONE: timedelta(days=30),
}
AT_ONCE = 500


def resend_staged() -> int:
    """Send a job for each upload with work that no worker holds and no message in the queue speaks of.

    That is: one that was never sent, whose worker was lost, whose wait after a failure is over, or whose
    message has expired. Returns how many were sent.
    """
    lost = Upload.objects.filter(lease_expires_at__lte=Now())
    lost.update(claim=None, lease_expires_at=None, sent_at=None)
    unsent = Q(upload__sent_at__isnull=True) | Q(upload__sent_at__lte=Now() - SENT_FOR)
    due = StagedFile.objects.filter(q_due(), unsent, upload__lease_expires_at__isnull=True)
    places = due.order_by("upload_id").values_list("tenant_id", "upload_id").distinct()[:AT_ONCE]
    return sum(send_upload(*place) for place in list(places))


def forget_staged() -> int:
    """Delete the files whose time is over, with what is left of them; returns how many."""
    count = 0
    for state, span in KEPT_FOR.items():
        keys = StagedFile.objects.filter(state=state, changed_at__lte=Now() - span).values_list(
            "pk", flat=True
        )
        while some := list(keys[:AT_ONCE]):
            count += StagedFile.objects.filter(pk__in=some, state=state).delete()[1]["intake.StagedFile"]
    Upload.objects.filter(files__isnull=True, created_at__lte=Now() - timedelta(days=1)).delete()
    return count
