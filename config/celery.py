"""The Celery application: jobs are found in each app's ``jobs.py``. Workers start from config/worker.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("sessions")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")
# A thread that a request runs in would otherwise get Celery's empty fallback application.
app.set_default()
