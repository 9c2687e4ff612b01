"""Every setting of the product, read from the environment; a bad value raises here, naming its variable."""

from __future__ import annotations

import os

from django.utils.csp import CSP

from config.environment import (
    BASE_DIR,
    check_redis_url,
    make_broker_url,
    make_channels_host,
    parse_database_url,
    read_bool,
    read_data_dir,
    read_database_url,
    read_folder,
    read_folders,
    read_int,
    read_list,
    read_public_url,
    read_redis_url,
    read_url,
)
from config.keys import read_sealing_keys, read_secret_key

DATA_DIR = read_data_dir()
REDIS_URL = check_redis_url(read_redis_url())
SECRET_KEY = read_secret_key(DATA_DIR)
# Keys that seal stored secrets, 32 bytes each, the newest first.
SEALING_KEYS = read_sealing_keys(DATA_DIR)

DEBUG = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "workspace.User"
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = True
LOGIN_URL = "workspace:sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- The database -------------------------------------------------------------------------------------

DATABASES = {"default": parse_database_url(read_database_url())}
# A server that is gone without a word is noticed within half a minute; what the URL says goes first.
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    **DATABASES["default"]["OPTIONS"],  # type: ignore[dict-item]
}
POOL_SIZE = read_int("DATABASE_POOL_SIZE", 0, highest=200)
if POOL_SIZE:
    # Set by the web process (config/asgi.py): each of its requests has a thread of its own, so a connection
    # that outlives its thread would never be used again.
    DATABASES["default"]["OPTIONS"] |= {"pool": {"min_size": 1, "max_size": POOL_SIZE}}  # type: ignore[operator]
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}

# --- Where people reach us ----------------------------------------------------------------------------

_public = read_public_url()
PUBLIC_URL = _public.geturl()
ALLOWED_HOSTS = read_list("ALLOWED_HOSTS") or ["localhost", "127.0.0.1", "[::1]", str(_public.hostname)]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# An https PUBLIC_URL means that a proxy ends TLS in front of us and tells us so in X-Forwarded-Proto.
_is_https = _public.scheme == "https"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _is_https else None
SECURE_SSL_REDIRECT = _is_https
SESSION_COOKIE_SECURE = _is_https
CSRF_COOKIE_SECURE = _is_https
SECURE_HSTS_SECONDS = read_int("HSTS_SECONDS", 31_536_000) if _is_https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = read_bool("HSTS_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = read_bool("HSTS_PRELOAD", False)
# Whether other names of the same domain are bound to https as well is for the domain's owner to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

# --- Apps and requests --------------------------------------------------------------------------------

INSTALLED_APPS = [
    "workspace.operating.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "channels",
    "django_filters",
    "django_htmx",
    "config",
    "workspace",
    "audit",
    "agents",
    "flows",
    "tasks",
    "chats",
    "intake",
    "sessions_app",
]

MIDDLEWARE = [
    "config.middleware.tell_api_problems",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "config.bodies.refuse_large_bodies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "workspace.middleware.time_zone_middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.explain_wrong_methods",
    "config.middleware.stay_in_one_thread",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "workspace.shell.shell",
                "sessions_app.context.center_button",
            ],
        },
    }
]

# --- Files --------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [path for path in [BASE_DIR / "static"] if path.is_dir()]
STATIC_ROOT = DATA_DIR / "static"
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"},
}

# The body of a request is held in memory, never in a temporary file (config/bodies.py).
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# Files that wait for a worker, sealed in the database.
UPLOAD_MAX_FILE_BYTES = read_int("UPLOAD_MAX_FILE_MB", 512, lowest=1, highest=100_000) << 20
UPLOAD_MAX_STAGED_BYTES = read_int("UPLOAD_MAX_STAGED_MB", 2048, lowest=1, highest=1_000_000) << 20
UPLOAD_MAX_FILES = read_int("UPLOAD_MAX_FILES", 5_000, lowest=1, highest=100_000)

# Where runs do their work, which of the machine's repositories they may have worktrees of, what they keep.
WORK_DIR = read_folder("WORK_DIR", DATA_DIR / "work")
WORK_KEEP_DAYS = read_int("WORK_KEEP_DAYS", 14, lowest=1, highest=3_650)
REPO_ROOTS = read_folders("REPO_ROOTS", DATA_DIR / "repos")
ARTIFACT_MAX_BYTES = read_int("ARTIFACT_MAX_MB", 20, lowest=1, highest=10_000) << 20

# --- Messages between processes -----------------------------------------------------------------------

# redis-py gives up on a socket that is silent for 5 s; Channels listens for 5 s at a time. Without a longer
# limit an idle websocket dies.
CHANNELS_SOCKET_TIMEOUT_SECONDS = 30
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [make_channels_host(REDIS_URL, CHANNELS_SOCKET_TIMEOUT_SECONDS)]},
    },
}

CELERY_BROKER_URL = make_broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
# The database owns what work there is: a job that was taken and lost is handed out again.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# On Ctrl-C a job has this long to end by itself before it is cut off and handed out again.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5.0
# A job goes on without the broker: its lease in the database keeps a second one from starting.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    # What is due does not wait until a worker has done with a run.
    "flows.jobs.start_due_triggers": {"queue": "default"},
    "chats.jobs.expire_quiet_chats": {"queue": "default"},
    "flows.jobs.*": {"queue": "runs"},
    "tasks.jobs.*": {"queue": "runs"},
    "chats.jobs.*": {"queue": "runs"},
    "intake.jobs.*": {"queue": "intake"},
}
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "config.heartbeat:HeartbeatScheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
# An entry expires before its next run, so that a stopped worker does not find a heap of them.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    "expire quiet chats": {
        "task": "chats.jobs.expire_quiet_chats",
        "schedule": 60.0,
        "options": {"expires": 55.0},
    },
    "take up lost runs": {
        "task": "flows.jobs.take_up_lost_runs",
        "schedule": 10.0,
        "options": {"expires": 8.0},
    },
    "start due triggers": {
        "task": "flows.jobs.start_due_triggers",
        "schedule": 15.0,
        "options": {"expires": 12.0},
    },
    "resend staged files": {"task": "intake.jobs.resend", "schedule": 20.0, "options": {"expires": 15.0}},
    "resume sweeps": {"task": "audit.jobs.resume_sweeps", "schedule": 30.0, "options": {"expires": 25.0}},
    "forget staged files": {"task": "intake.jobs.forget", "schedule": 3600.0, "options": {"expires": 1800.0}},
    "forget old folders": {
        "task": "agents.jobs.forget_folders",
        "schedule": 3600.0,
        "options": {"expires": 1800.0},
    },
}

# --- Models of language -------------------------------------------------------------------------------

# The model of profiles that name none, such as anthropic:NAME (agents/prompting/providers.py).
MODEL_DEFAULT = os.environ.get("MODEL_DEFAULT", "").strip()
# A server that speaks OpenAI's protocol, for models whose name names no provider, and its key.
MODEL_BASE_URL = read_url("MODEL_BASE_URL")
MODEL_API_KEY = os.environ.get("MODEL_API_KEY", "")

# --- Logs ---------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{", "datefmt": "%H:%M:%S"}
    },
    "filters": {"plain outages": {"()": "config.outages.PlainOutages"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["plain outages"]}
    },
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "WARNING").upper()},
    # Django would send errors by mail and, without DEBUG, print nothing.
    "loggers": {
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        # Whoever scans the network for hosts would fill the log with tracebacks.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
