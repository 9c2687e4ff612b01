from django.apps import AppConfig
from django.conf import settings

from audit.redaction import DETECTOR


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        DETECTOR.use_cache(settings.DATA_DIR / "rules")
