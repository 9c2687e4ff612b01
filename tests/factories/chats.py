"""Chats in each of their states."""

from __future__ import annotations

from datetime import timedelta

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from chats.models import Chat, ChatMode, ChatStatus
from tests.factories.workspace import OwnerFactory, TenantFactory

CHANGED = factory.SelfAttribute("changed_at")


class ChatFactory(DjangoModelFactory[Chat]):
    """An idle chat whose last message is of now, so it is live; `quiet=True` makes it two hours old."""

    tenant = factory.SubFactory(TenantFactory)
    owner = factory.SubFactory(OwnerFactory)
    title = factory.Sequence(lambda n: f"Chat {n}")
    mode = ChatMode.CHAT
    status = ChatStatus.IDLE
    last_message_at = factory.LazyFunction(timezone.now)
    changed_at = factory.SelfAttribute("last_message_at")

    class Meta:
        model = Chat

    class Params:
        ask = factory.Trait(mode=ChatMode.ASK)
        quiet = factory.Trait(
            last_message_at=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=2))
        )
        idle = factory.Trait(status=ChatStatus.IDLE)
        responding = factory.Trait(status=ChatStatus.RESPONDING, turn_count=1, message_count=1)
        awaiting_approval = factory.Trait(
            status=ChatStatus.AWAITING_APPROVAL, waiting_reason="Run `make deploy`?", waiting_since=CHANGED
        )
        awaiting_you = factory.Trait(
            status=ChatStatus.AWAITING_YOU, waiting_reason="Which branch?", waiting_since=CHANGED
        )
        failed = factory.Trait(status=ChatStatus.FAILED, error="Error: the model did not answer")
        ended = factory.Trait(status=ChatStatus.ENDED, ended_at=CHANGED)
