"""One real row of each model of ours, for tests that walk the whole admin."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.apps import apps
from django.db.models import Model
from django.utils import timezone

from agents.models import Profile, Skill
from audit.models import (
    AuditEntry,
    DecisionReceipt,
    MessageUsage,
    RawRecord,
    RedactionFinding,
    RedactionSweep,
    RenderedEntry,
    Surfacing,
    Transcript,
    TranscriptEntry,
)
from audit.services import record, record_decision
from chats.models import Chat
from flows.models import Artifact, Flow, FlowRun, FlowStep, FlowTrigger, StepRun
from intake.models import ImportedSession, StagedFile, StagedPart, Upload
from tasks.models import BackgroundTask
from tests.factories.agents import ProfileFactory, SkillFactory
from tests.factories.audit import TranscriptEntryFactory, TranscriptFactory
from tests.factories.chats import ChatFactory
from tests.factories.flows import FlowFactory, FlowRunFactory
from tests.factories.tasks import BackgroundTaskFactory
from tests.factories.workspace import (
    InitiativeFactory,
    MembershipFactory,
    PlanFactory,
    TenantFactory,
    UserFactory,
)
from tests.intake.staged_files import stage
from workspace.actors import SYSTEM
from workspace.models import (
    ApiToken,
    EarlierValue,
    Initiative,
    Membership,
    Plan,
    RotationCheck,
    Secret,
    SeenSession,
    SignInLink,
    Tenant,
    TenantKey,
    User,
)
from workspace.sealing import derive_key
from workspace.secrets import rotate_secret
from workspace.seeing import mark_seen
from workspace.services import create_sign_in_link, set_secret

__all__ = ["MAKERS", "OUR_APPS", "our_models"]

OUR_APPS = ("workspace", "audit", "agents", "tasks", "flows", "chats", "intake", "sessions_app")


def our_models() -> list[type[Model]]:
    return [model for label in OUR_APPS for model in apps.get_app_config(label).get_models()]


def make_secret() -> Secret:
    name = f"KEY_{uuid.uuid4().hex[:8]}"
    return set_secret(tenant_id=TenantFactory().pk, name=name, value=uuid.uuid4().hex, actor=SYSTEM)


def make_rotated_secret() -> Secret:
    secret = make_secret()
    rotate_secret(tenant_id=secret.tenant_id, name=secret.name, value=uuid.uuid4().hex, actor=SYSTEM)
    return secret


def make_tenant_key() -> TenantKey:
    tenant = TenantFactory()
    derive_key("anything", tenant.pk)
    return TenantKey.objects.get(tenant=tenant)


def make_seen_session() -> SeenSession:
    seat, session_id = MembershipFactory(), uuid.uuid4()
    mark_seen(membership=seat, kind="chat", session_id=session_id, version=1, now=timezone.now())
    return SeenSession.objects.get(session_id=session_id)


def make_token() -> ApiToken:
    seat = MembershipFactory()
    return ApiToken.objects.create(
        tenant=seat.tenant,
        user=seat.user,
        name="Nightly import",
        prefix=uuid.uuid4().hex[:8],
        token_hash=uuid.uuid4().hex,
        expires_at=timezone.now() + timedelta(days=30),
    )


def make_link() -> SignInLink:
    create_sign_in_link(email=UserFactory().email)
    return SignInLink.objects.latest("id")


def make_audit_entry() -> AuditEntry:
    chat = ChatFactory()
    return record(
        tenant_id=chat.tenant_id,
        actor=SYSTEM,
        action="end",
        object_kind="chat",
        object_id=chat.pk,
        object_title=chat.title,
        changes={"status": ("idle", "ended")},
        session=("chat", chat.pk),
    )


def make_receipt() -> DecisionReceipt:
    chat = ChatFactory()
    return record_decision(
        tenant_id=chat.tenant_id,
        session=("chat", chat.pk),
        subject="Run make deploy?",
        outcome="approved",
        seen={"command": "make deploy"},
        decided_by_id=chat.owner_id,
    )


def make_usage() -> MessageUsage:
    transcript = TranscriptFactory()
    return MessageUsage.objects.create(
        tenant=transcript.tenant, transcript=transcript, message_id="msg-1", model="m", input_tokens=3
    )


def make_raw_record() -> RawRecord:
    transcript = TranscriptFactory()
    return RawRecord.objects.create(
        tenant=transcript.tenant,
        transcript=transcript,
        ordinal=0,
        record_type="user",
        digest="0" * 64,
        body={"type": "user"},
    )


def make_rendered_entry() -> RenderedEntry:
    entry = TranscriptEntryFactory()
    return RenderedEntry.objects.create(
        tenant=entry.tenant, entry=entry, renderer_version=1, html="<p>Hello</p>"
    )


def make_finding() -> RedactionFinding:
    entry = TranscriptEntryFactory()
    return RedactionFinding.objects.create(
        tenant=entry.tenant,
        session_kind=entry.transcript.session_kind,
        session_id=entry.transcript.session_id,
        entry=entry,
        field="text",
        name="API_KEY",
        is_known=True,
        start=0,
        end=9,
        digest="0" * 64,
    )


def make_surfacing() -> Surfacing:
    chat = ChatFactory()
    return Surfacing.objects.create(
        tenant=chat.tenant,
        session_kind="chat",
        session_id=chat.pk,
        is_known=True,
        name="API_KEY",
        digest="0" * 64,
        count=2,
        first_at=timezone.now(),
        last_at=timezone.now(),
    )


def make_sweep() -> RedactionSweep:
    return RedactionSweep.objects.create(tenant=TenantFactory(), reason="API_KEY was set")


def make_imported_session() -> ImportedSession:
    chat = ChatFactory()
    return ImportedSession.objects.create(
        tenant=chat.tenant,
        source="claude_code",
        native_id=f"native-{uuid.uuid4().hex}",
        session_kind="chat",
        session_id=chat.pk,
    )


def make_trigger() -> FlowTrigger:
    flow, seat = FlowFactory(), MembershipFactory()
    return FlowTrigger.objects.create(
        tenant=flow.tenant, flow=flow, owner=seat.user, cron="0 7 * * *", next_at=timezone.now()
    )


def make_artifact() -> Artifact:
    run = FlowRunFactory(running=True)
    return Artifact.objects.create(
        tenant=run.tenant,
        run=run,
        name="report.txt",
        content_type="text/plain",
        size_bytes=5,
        text="hello",
        is_scanned=True,
    )


def make_staged_file() -> StagedFile:
    stage(MembershipFactory(), {"session.jsonl": b"{}"})
    return StagedFile.objects.latest("pk")


#: How each model gets a row; a test fails for a model that is missing here.
MAKERS: dict[type[Model], Callable[[], Model]] = {
    ApiToken: make_token,
    Artifact: make_artifact,
    AuditEntry: make_audit_entry,
    BackgroundTask: lambda: BackgroundTaskFactory(waiting_review=True),
    Chat: ChatFactory,
    DecisionReceipt: make_receipt,
    EarlierValue: lambda: make_rotated_secret().earlier_values.get(),
    Flow: FlowFactory,
    FlowRun: lambda: FlowRunFactory(paused=True),
    FlowStep: lambda: FlowFactory().steps.get(position=1),
    FlowTrigger: make_trigger,
    ImportedSession: make_imported_session,
    Initiative: InitiativeFactory,
    Membership: MembershipFactory,
    MessageUsage: make_usage,
    Plan: lambda: PlanFactory(under_initiative=True),
    Profile: ProfileFactory,
    RawRecord: make_raw_record,
    RedactionFinding: make_finding,
    RedactionSweep: make_sweep,
    RenderedEntry: make_rendered_entry,
    SeenSession: make_seen_session,
    RotationCheck: lambda: make_rotated_secret().checks.get(),
    Secret: make_secret,
    SignInLink: make_link,
    Skill: SkillFactory,
    StagedFile: make_staged_file,
    StagedPart: lambda: make_staged_file().parts.get(),
    Surfacing: make_surfacing,
    StepRun: lambda: FlowRunFactory(running=True).step_runs.get(position=1),
    TenantKey: make_tenant_key,
    Tenant: TenantFactory,
    Transcript: TranscriptFactory,
    TranscriptEntry: lambda: TranscriptEntryFactory(tool_call=True),
    Upload: lambda: make_staged_file().upload,
    User: UserFactory,
}
