from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Sessions configuration"

    def ready(self) -> None:
        # Jobs sent from any process go through our Celery application only once it exists.
        import config.celery  # noqa: F401
