"""Background jobs of the record. Messages hold ids alone."""

from __future__ import annotations

import uuid

from celery import shared_task

from audit.sweeps import (
    SweepLost,
    claim_sweep,
    hand_back,
    has_older_writers,
    open_tenants,
    run_sweep,
)

__all__ = ["resume_sweeps", "sweep"]

#: How long to wait for transactions that are older than a sweep.
PATIENCE_SECONDS = 5


@shared_task(name="audit.jobs.sweep")  # type: ignore[untyped-decorator]
def sweep(tenant_id: str) -> None:
    """Do the sweep of this tenant that nobody is at, then the one that has come meanwhile.

    One that is cut off is taken up again by `resume_sweeps`, from its last batch.
    """
    while (claimed := claim_sweep(uuid.UUID(tenant_id))) is not None:
        if has_older_writers(claimed):
            hand_back(claimed)
            sweep.apply_async((tenant_id,), countdown=PATIENCE_SECONDS)
            return
        try:
            run_sweep(claimed)
        except SweepLost:
            return


@shared_task(name="audit.jobs.resume_sweeps")  # type: ignore[untyped-decorator]
def resume_sweeps() -> None:
    """Take up each sweep whose worker died or whose message was lost."""
    for tenant_id in open_tenants():
        sweep.delay(str(tenant_id))
