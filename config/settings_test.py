"""The settings of the tests: everything real, hashing made cheap, data that nobody will miss."""

import os

from config.environment import BASE_DIR, choose_redis_database, make_broker_url, make_channels_host

os.environ.setdefault("DATA_DIR", str(BASE_DIR / ".data-test"))

from config.settings import *  # noqa: F403
from config.settings import CHANNEL_LAYERS, CHANNELS_SOCKET_TIMEOUT_SECONDS, DATABASES, REDIS_URL

# Test runners side by side share one server: Django gives each a database of its own, we a number.
_runner = os.environ.get("PYTEST_XDIST_WORKER", "")
if _runner:
    REDIS_URL = choose_redis_database(REDIS_URL, 1 + int(_runner.removeprefix("gw")))
    CELERY_BROKER_URL = make_broker_url(REDIS_URL)
    CHANNEL_LAYERS["default"]["CONFIG"] = {
        "hosts": [make_channels_host(REDIS_URL, CHANNELS_SOCKET_TIMEOUT_SECONDS)]
    }

# Where the server of the browser tests finds its files; each runner collects its own.
STATIC_ROOT = STATIC_ROOT.with_name(f"static-{_runner or 'alone'}")  # noqa: F405

# Tests of the ASGI application have a thread for each request and no pool: none may keep its connection.
DATABASES["default"]["CONN_MAX_AGE"] = 0

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

#: A fourth kind, which proves that a kind costs one app and this line.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.toy_kind"]  # noqa: F405
