"""What the HTTP API of flows takes and gives, in the words of its schema."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

__all__ = [
    "ApprovalIn",
    "ArtifactOut",
    "CheckpointOut",
    "DecisionIn",
    "EntriesAsked",
    "EntryOut",
    "EntryWindow",
    "FlowDetail",
    "FlowOut",
    "FlowPage",
    "FlowStepOut",
    "FlowsAsked",
    "ParameterOut",
    "RunDetail",
    "RunIn",
    "RunOut",
    "RunPage",
    "RunsAsked",
    "StepOut",
    "TakeUpIn",
]


#: The database holds no NUL.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Version = Annotated[int, Field(ge=0, lt=2**31, description="of the run, as it was seen")]
RunMode = Literal["interactive", "background"]
RunStatus = Literal[
    "pending",
    "running",
    "paused",
    "blocked",
    "interrupted",
    "completed",
    "failed",
    "rejected",
    "cancelled",
]


class Strict(Schema):
    """What is sent in: a name that nobody knows is refused rather than overlooked."""

    model_config = ConfigDict(extra="forbid")


class FlowsAsked(Strict):
    name: Text = Field("", max_length=200)
    archived: bool = False
    after: uuid.UUID | None = None
    limit: int = Field(50, ge=1, le=100)


class RunsAsked(Strict):
    status: RunStatus | None = None
    flow_id: uuid.UUID | None = None
    cursor: Text = Field("", max_length=200)
    limit: int = Field(50, ge=1, le=100)


class EntriesAsked(Strict):
    after: int = Field(0, ge=0, lt=2**31)
    limit: int = Field(100, ge=1, le=100)


class ParameterOut(Schema):
    name: str
    type: Literal["string", "number", "boolean"]
    required: bool
    default: Any = None
    hidden: bool


class FlowOut(Schema):
    id: uuid.UUID
    name: str
    description: str
    version: int
    scope: str
    initiative_id: uuid.UUID | None
    plan_id: uuid.UUID | None
    run_mode: RunMode
    checkpoint_mode: str
    is_archived: bool
    parameters: list[ParameterOut]


class FlowStepOut(Schema):
    position: int
    name: str
    skill: str
    runtime: str
    profile: str | None
    has_checkpoint: bool
    checkpoint_message: str
    condition: str
    on_failure: str


class FlowDetail(FlowOut):
    steps: list[FlowStepOut]


class FlowPage(Schema):
    items: list[FlowOut]
    next: uuid.UUID | None = Field(description="ask with it as `after` for those that follow")


class RunIn(Strict):
    """What is left out is the flow's own."""

    parameters: dict[str, Any] = Field(default_factory=dict, description="values by the flow's parameters")
    title: Text = Field("", max_length=200)
    initiative: Text = Field("", max_length=200, description="an id or a name")
    plan: Text = Field("", max_length=200, description="an id or a name")
    mode: RunMode | None = None


class CheckpointOut(Schema):
    message: str
    content_hash: str = Field(description="of all that is asked about: send it with the decision")
    seen: Any = Field(description="what is asked about: step, arguments, earlier results")


class RunOut(Schema):
    id: uuid.UUID
    title: str
    status: RunStatus
    error: str
    version: int
    flow_id: uuid.UUID
    flow_name: str
    flow_version: int
    owner: str
    initiative_id: uuid.UUID | None
    plan_id: uuid.UUID | None
    mode: RunMode
    origin: str
    step_position: int
    step_count: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    changed_at: datetime
    waiting_since: datetime | None
    actions: list[str] = Field(description="what this token's member may do to it as it stands")
    url: str = Field(description="its page")


class RunPage(Schema):
    items: list[RunOut]
    next: str | None = Field(description="ask with it as `cursor` for those that follow")


class StepOut(Schema):
    """One attempt of one step."""

    position: int
    name: str
    attempt: int
    status: str
    arguments: Any
    result: Any
    error: str
    started_at: datetime | None
    finished_at: datetime | None
    due_at: datetime | None
    was_cut_off: bool


class RunDetail(RunOut):
    parameters: dict[str, Any]
    steps: list[StepOut]
    checkpoint: CheckpointOut | None


class EntryOut(Schema):
    """A line of the transcript; credentials in it have been replaced by their names."""

    seq: int
    kind: str
    role: str
    text: str
    is_cut: bool = Field(description="whether there is more of the text than is given here")
    tool_name: str
    call_id: str
    arguments: Any
    path: str
    is_error: bool
    model: str
    attempt: int
    occurred_at: datetime | None


class EntryWindow(Schema):
    items: list[EntryOut]
    next: int | None = Field(description="ask with it as `after` for those that follow")


class ArtifactOut(Schema):
    id: uuid.UUID
    name: str
    content_type: str
    size_bytes: int
    is_scanned: bool = Field(description="false: binary, so not looked through for credentials")
    created_at: datetime


class TakeUpIn(Strict):
    version: Version


class DecisionIn(Strict):
    version: Version
    content_hash: str = Field(pattern="^[0-9a-f]{64}$")
    comment: Text = Field("", max_length=5_000)


class ApprovalIn(DecisionIn):
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="arguments of the step to be changed before it is approved"
    )
