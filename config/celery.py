"""The Celery application: jobs are found in each app's ``jobs.py``. Workers start from config/worker.py."""

import logging
import os
from typing import Any

from celery import Celery, Task

from config.outages import explain_outage

logger = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Job(Task):  # type: ignore[misc]
    """A job that the database or the broker leaves in the lurch ends with one line in the log.

    It is not tried again by Celery: what work there is stands in the database, and the clock finds it there.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except Exception as error:
            if not (why := explain_outage(error)):
                raise
            logger.warning("%s was cut off: %s", self.name, why)
            return None


app = Celery("sessions", task_cls=Job)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")
# A thread that a request runs in would otherwise get Celery's empty fallback application.
app.set_default()
