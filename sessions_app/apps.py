from django.apps import AppConfig
from django.core import checks


class SessionsAppConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Sessions"

    def ready(self) -> None:
        from sessions_app import registry
        from sessions_app.checks import check_database, check_kinds

        registry.autodiscover()
        checks.register(check_kinds)
        checks.register(check_database)
