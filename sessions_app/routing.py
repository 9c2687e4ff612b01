"""Addresses of websockets. Whatever is not here is refused in the same words as a stranger is."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.urls import path, re_path

from sessions_app.sockets import live_socket, refuse, same_origin

# Channels routes with Django's paths, whose types speak of views.
route: Any = path
fallback: Any = re_path

routes = [route("w/<slug:workspace>/sessions/live/", live_socket), fallback("", refuse)]
websocket_application = same_origin(AuthMiddlewareStack(URLRouter(routes)))
