"""What open pages were told: the tenant's stream in the real broker."""

from __future__ import annotations

import redis
from django.conf import settings

from sessions_app.live import stream_name
from workspace.models import Tenant

type Key = tuple[str, str]


def read_announcements(tenant: Tenant) -> list[Key]:
    """The (kind, id) of every change that was announced to this tenant, oldest first."""
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as broker:
        entries = broker.xrange(stream_name(tenant.pk))
    return [(fields["kind"], fields["id"]) for _, fields in entries if "kind" in fields]
