"""The product's ASGI application, and beside it the plain Channels group that the hub is compared with."""

from __future__ import annotations

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from config.asgi import application as product

GROUP = "bench-live"
BASELINE_PATH = "/bench/group/"


class GroupConsumer(AsyncWebsocketConsumer):
    """Each message of the group is sent to each of its sockets, as the tutorial of Channels has it."""

    async def connect(self) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()
        await self.send(text_data='{"op":"ready"}')

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def row_changed(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


group = GroupConsumer.as_asgi()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    is_group = scope["type"] == "websocket" and scope["path"] == BASELINE_PATH
    await (group if is_group else product)(scope, receive, send)
