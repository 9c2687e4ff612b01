"""The web part: /healthz and static files are answered here, the rest by Django; websockets by the hub."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if not settings.configured:
    # Only here: a request's thread ends with it, so connections are shared through a pool.
    os.environ.setdefault("DATABASE_POOL_SIZE", "16")

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from servestatic import ServeStaticASGI

from config.health import HealthApplication
from config.probe import HEALTH_PATH

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def forbid_guessing(headers: Any, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


def with_static_files(application: Application) -> Application:
    """Static files answered before Django; without the folder (nothing collected) just the application."""
    if not settings.STATIC_ROOT.is_dir():
        return application
    served: Application = ServeStaticASGI(
        application,
        root=settings.STATIC_ROOT,
        prefix=settings.STATIC_URL,
        allow_all_origins=False,
        add_headers_function=forbid_guessing,
    )
    return served


django_application = with_static_files(get_asgi_application())
# Django is set up from here on: what follows imports models.
from config.bodies import keep_bodies_in_memory, without_large_body  # noqa: E402
from sessions_app.routing import websocket_application  # noqa: E402

keep_bodies_in_memory()
health = HealthApplication()


async def http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"] == HEALTH_PATH:
        await health(scope, send)
    else:
        await django_application(scope, without_large_body(scope, receive), send)


application = ProtocolTypeRouter({"http": http, "websocket": websocket_application})
