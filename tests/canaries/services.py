"""Canaries in everything that the services which take text are handed, and in the forms of the admin."""

from __future__ import annotations

import uuid
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.services import create_profile, create_skill
from audit.entries import EntryKind, NewEntry
from audit.imports import Delivery
from chats import services as chats
from flows import services as flows
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import FlowRun
from tasks import deciding
from tasks import services as tasks
from tasks.creating import ChildSpec, create_task
from tasks.models import WaitingOn
from tests.canaries.searching import Canaries
from tests.factories.workspace import UserFactory
from workspace.actors import Actor
from workspace.models import Membership
from workspace.placement import Placement
from workspace.services import create_initiative, create_plan

WORKER = Actor.agent("worker")


class Planter:
    """One member who pastes credentials everywhere."""

    def __init__(self, member: Membership, canaries: Canaries) -> None:
        self.tenant_id, self.canaries = member.tenant_id, canaries
        self.actor = Actor.member(member.user)
        self.placement = Placement(owner_id=member.user_id)
        self.by_member = {"tenant_id": self.tenant_id, "actor": self.actor}
        self.by_worker = {"tenant_id": self.tenant_id, "actor": WORKER}

    def text(self, what: str) -> str:
        return self.canaries.in_text(what)

    def plant_everywhere(self) -> None:
        self.plant_records()
        self.plant_chats()
        self.plant_tasks()
        self.plant_runs()

    def plant_records(self) -> None:
        initiative = create_initiative(**self.by_member, name=self.text("goal"), summary=self.text("summary"))
        create_plan(**self.by_member, name=self.text("plan"), body=self.text("body"), initiative=initiative)
        create_profile(
            **self.by_member, name=self.text("p"), runtime="shell", sandbox=self.canaries.registered
        )

    def plant_chats(self) -> None:
        chat = chats.create_chat(
            **self.by_member, placement=self.placement, title=self.text("chat"), repo=self.text("repo")
        )
        here = {"chat_id": chat.pk}
        chats.post_message(**self.by_member, **here, text=self.text("question"))
        chats.record_activity(
            tenant_id=self.tenant_id,
            **here,
            at=timezone.now(),
            delivery=Delivery(
                entries=self.entries(), source="web", native_session_id=self.canaries.registered
            ),
        )
        chats.request_approval(**self.by_worker, **here, reason=self.text("may I"))
        version = type(chat).objects.get(pk=chat.pk).version
        chats.decide_approval(
            **self.by_member, **here, seen_version=version, is_approved=True, comment=self.text("yes")
        )
        chats.ask_question(**self.by_worker, **here, reason=self.text("which"))
        chats.post_message(**self.by_member, **here, text=self.text("this"))
        chats.fail_turn(**self.by_worker, **here, error=self.text("error"))
        chats.rename_chat(**self.by_member, **here, title=self.text("renamed"))

    def entries(self) -> list[NewEntry]:
        def entry(kind: EntryKind, **fields: Any) -> NewEntry:
            return NewEntry(kind=kind, native_id=uuid.uuid4().hex, **fields)

        arguments = {self.text("key"): [self.text("value"), {"deep": self.text("deep")}]}
        return [
            entry(EntryKind.TOOL_CALL, tool_name=self.text("tool"), call_id="c1", arguments=arguments),
            entry(EntryKind.TOOL_RESULT, call_id="c1", text=self.text("out"), data=arguments),
            entry(
                EntryKind.FILE_EDIT,
                path=self.text("path"),
                before=self.text("before"),
                after=self.text("after"),
                patch=self.text("patch"),
            ),
            entry(EntryKind.THINKING, text=self.text("thought"), model=self.text("model")),
        ]

    def plant_tasks(self) -> None:
        task = create_task(
            **self.by_member, placement=self.placement, title=self.text("task"), prompt=self.text("prompt")
        )
        here = {"task_id": task.pk}
        tasks.start_provisioning(**self.by_worker, **here, substate=self.text("step"))
        tasks.start(**self.by_worker, **here)
        tasks.wait(**self.by_worker, **here, on=WaitingOn.INPUT, reason=self.text("what"))
        tasks.answer(**self.by_member, **here, text=self.text("that"))
        children = [ChildSpec(title=self.text("child"), prompt=self.text("do"))]
        [child] = tasks.fan_out(**self.by_worker, **here, children=children)
        tasks.cancel(**self.by_member, task_id=child.pk)
        tasks.complete(**self.by_worker, **here, result=self.text("result"), needs_review=True)
        version = type(task).objects.get(pk=task.pk).version
        deciding.send_back(**self.by_member, **here, seen_version=version, comment=self.text("no"))
        tasks.fail(**self.by_worker, **here, error=self.text("broke"))

    def plant_runs(self) -> None:
        skill = create_skill(
            **self.by_member,
            name=self.text("skill"),
            runtime="shell",
            body=self.text("make"),
            description=self.text("it"),
        )
        step = StepDesign(
            name="ship",
            skill_id=skill.pk,
            parameters={"target": self.text("all")},
            has_checkpoint=True,
            checkpoint_message=self.text("go on"),
        )
        parameters = (ParameterDesign(name="where", default=self.text("here")),)
        design = FlowDesign(
            name=self.text("flow"), steps=(step,), description=self.text("it"), parameters=parameters
        )
        flow = flows.create_flow(**self.by_member, design=design)
        run = flows.start_run(
            **self.by_member,
            flow_id=flow.pk,
            placement=self.placement,
            parameters={"where": self.text("there")},
            title=self.text("run"),
            repo=self.text("repo"),
        )
        self.walk(run)

    def walk(self, run: FlowRun) -> None:
        here = {"run_id": run.pk}
        flows.begin_run(**self.by_worker, **here)
        asked = {"arguments": {self.text("key"): self.text("value")}}
        flows.pause_at_checkpoint(**self.by_worker, **here, **asked, message=self.text("look"))
        run.refresh_from_db()
        flows.approve_checkpoint(
            **self.by_member,
            **here,
            seen_version=run.version,
            seen_hash=run.checkpoint_hash,
            comment=self.text("ok"),
        )
        flows.add_entries(tenant_id=self.tenant_id, **here, delivery=Delivery(entries=self.entries()))
        flows.fail_step(**self.by_worker, **here, error=self.text("failed"))

    def plant_forms(self) -> None:
        """The operator's forms, through the pages that they are on."""
        desk = Client()
        desk.force_login(UserFactory(superuser=True))
        workspace = {"workspace": str(self.tenant_id)}
        for name, data in {
            "workspace_initiative": {"name": self.text("form goal"), "summary": self.text("why")},
            "workspace_plan": {"name": self.text("form plan"), "body": self.text("how"), "initiative": ""},
            "agents_skill": {
                "name": f"{self.canaries.registered} {self.canaries.shaped[1]}",
                "runtime": "shell",
                "body": self.text("ls"),
            },
        }.items():
            answer = desk.post(reverse(f"admin:{name}_add"), {**workspace, **data})
            assert answer.status_code == 302, answer.context["adminform"].form.errors
