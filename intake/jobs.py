"""Background jobs of intake, on the queue `intake`. Messages hold ids alone."""

from __future__ import annotations

import uuid

from celery import shared_task

from intake.staged_import import import_staged
from intake.sweeping import forget_staged, resend_staged

__all__ = ["forget", "import_upload", "resend"]


#: A job that hangs is ended with its process, which counts as a try.
@shared_task(name="intake.jobs.import_upload", time_limit=1800)  # type: ignore[untyped-decorator]
def import_upload(tenant_id: str, upload_id: str) -> None:
    import_staged(tenant_id=uuid.UUID(tenant_id), upload_id=uuid.UUID(upload_id))


@shared_task(name="intake.jobs.resend")  # type: ignore[untyped-decorator]
def resend() -> None:
    resend_staged()


@shared_task(name="intake.jobs.forget")  # type: ignore[untyped-decorator]
def forget() -> None:
    forget_staged()
