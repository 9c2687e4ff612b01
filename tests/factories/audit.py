"""Transcripts and their entries, for pages and queries that read them."""

from __future__ import annotations

from typing import Any

import factory
from django.db.models import F
from django.utils import timezone
from factory.django import DjangoModelFactory

from audit.entries import EntryKind
from audit.models import Transcript, TranscriptEntry
from sessions_app.kinds import SessionModel
from sessions_app.registry import all_kinds
from tests.factories.chats import ChatFactory


def kind_of(session: SessionModel) -> str:
    """The key under which a session's own kind is registered."""
    return next(kind.key for kind in all_kinds() if kind.model is type(session))


class TranscriptFactory(DjangoModelFactory[Transcript]):
    """The transcript of `session`, which may be of any kind; the tenant is the session's."""

    tenant = factory.SelfAttribute("session.tenant")
    session_kind = factory.LazyAttribute(lambda made: kind_of(made.session))
    session_id = factory.SelfAttribute("session.id")

    class Meta:
        model = Transcript

    class Params:
        session = factory.SubFactory(ChatFactory)


class TranscriptEntryFactory(DjangoModelFactory[TranscriptEntry]):
    """The next entry of a transcript: a user's message unless a trait says otherwise."""

    transcript = factory.SubFactory(TranscriptFactory)
    tenant = factory.SelfAttribute("transcript.tenant")
    kind = EntryKind.MESSAGE.value
    native_id = factory.Sequence(lambda n: f"entry-{n}")
    occurred_at = factory.LazyFunction(timezone.now)
    role = "user"
    text = factory.Sequence(lambda n: f"Message {n}")

    class Meta:
        model = TranscriptEntry

    class Params:
        assistant = factory.Trait(role="assistant", message_id=factory.Sequence(lambda n: f"msg-{n}"))
        tool_call = factory.Trait(
            kind=EntryKind.TOOL_CALL.value,
            role="assistant",
            text="",
            tool_name="Bash",
            call_id=factory.Sequence(lambda n: f"call-{n}"),
            arguments={"command": "ls"},
        )
        tool_result = factory.Trait(
            kind=EntryKind.TOOL_RESULT.value, role="user", text="README.md", call_id="call-0"
        )
        file_edit = factory.Trait(
            kind=EntryKind.FILE_EDIT.value,
            role="assistant",
            text="",
            path="README.md",
            before="old\n",
            after="new\n",
        )
        failure = factory.Trait(kind=EntryKind.ERROR.value, role="", text="Error: exit code 1", is_error=True)

    @classmethod
    def _create(cls, model_class: type[TranscriptEntry], *args: Any, **kwargs: Any) -> TranscriptEntry:
        transcript = kwargs["transcript"]
        kwargs.setdefault("seq", transcript.next_seq)
        Transcript.objects.filter(pk=transcript.pk).update(next_seq=F("next_seq") + 1)
        transcript.refresh_from_db(fields=["next_seq"])
        entry: TranscriptEntry = super()._create(model_class, *args, **kwargs)
        return entry
