"""Asking the HTTP API as programs do: a token, JSON, no cookies."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from workspace.actors import Actor
from workspace.models import Membership
from workspace.tokens import Scope, create_token

ALL = tuple(scope.value for scope in Scope)


def make_token(member: Membership, *scopes: str, name: str = "CI") -> str:
    _, text = create_token(
        tenant_id=member.tenant_id,
        owner=member,
        name=name,
        scopes=scopes or ALL,
        actor=Actor.member(member.user),
    )
    return text


class Caller:
    """Whoever has this token. Its requests are held to CSRF like those of any stranger."""

    def __init__(self, token: str) -> None:
        self._client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        given: dict[str, Any] = {"headers": self._headers, "query_params": query}
        if body is not None:
            data = body if isinstance(body, str | bytes) else json.dumps(body)
            given |= {"data": data, "content_type": "application/json"}
        return getattr(self._client, method)(f"/api/v1{path}", **given)

    def get(self, path: str, **query: Any) -> Any:
        return self.ask("get", path, **query)

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("post", path, body)
