"""Addresses of websockets. Whatever is not here is refused in the same words as a stranger is."""

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.urls import path, re_path

from sessions_app.sockets import live_socket, refuse, same_origin

websocket_application = same_origin(
    AuthMiddlewareStack(
        URLRouter(
            [
                path("w/<slug:workspace>/sessions/live/", live_socket),
                re_path("", refuse),
            ]
        )
    )
)
