from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from audit.pages import Fact, find_session, render_session_page, session_context
from chats.models import Chat, ChatMode
from sessions_app.registry import get_kind
from tasks.queries import started_by
from workspace.access import MemberRequest, for_members


@require_safe
@for_members
def chat_detail(request: MemberRequest, chat_id: uuid.UUID) -> HttpResponse:
    """A chat's messages with its tool calls, and links to the tasks that its calls started."""
    kind = get_kind("chat")
    chat: Chat = find_session(kind, request.seat.tenant.pk, chat_id)

    def build() -> dict[str, object]:
        task_kind = get_kind("background_task")
        children = {
            task.source_call_id: (task.title, task_kind.url(task, request.seat.tenant.slug))
            for task in started_by(tenant_id=chat.tenant_id, kind="chat", session_id=chat.pk)
        }
        facts = [Fact("Mode", ChatMode(chat.mode).label)]
        context = session_context(request, kind, chat, extra_facts=facts, children=children)
        related = [{"label": title, "url": url, "icon": "bot"} for title, url in children.values()]
        return {**context, "related": related}

    return render_session_page(request, "chats/chat_detail.html", build)
