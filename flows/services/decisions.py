"""What a person decides at a checkpoint: approve, reject or skip, each bound to what they saw."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone

from audit.entries import JSON, EntryKind, NewEntry
from audit.headlines import HEADLINE_LENGTH, make_headline
from audit.models import DecisionReceipt, Outcome
from audit.moves import check_move, lock_session
from audit.redactors import with_one_redactor
from audit.services import content_hash, record_decision, redact, redact_value
from flows.models import FlowRun, RunStatus, StepRun
from flows.moves import KIND, MOVES, find_current_step, make_line, move_step, save_run, step_data, write_lines
from flows.services.runs import cancel_open_steps, complete_locked_run
from flows.services.steps import make_step_start, next_position, see_checkpoint
from flows.waking import wake
from sessions_app.kinds import StaleVersion
from workspace.actors import Actor

__all__ = ["AlreadyDecided", "approve_checkpoint", "reject_checkpoint", "skip_checkpoint"]


class AlreadyDecided(StaleVersion):
    """Somebody else decided this checkpoint first; nothing was changed."""

    def __init__(
        self,
        *,
        subject: str,
        seen: int,
        current: int,
        status: str,
        outcome: str,
        decided_by: str,
        decided_at: datetime,
    ) -> None:
        super().__init__(subject=subject, seen=seen, current=current, status=status)
        self.outcome, self.decided_by, self.decided_at = outcome, decided_by, decided_at
        self.args = (
            f"{subject}: this checkpoint was decided already: {outcome} by {decided_by}, "
            f"{decided_at.astimezone(UTC):%-d %b %Y, %H:%M} UTC. The run is {status} now.",
        )


@transaction.atomic
@with_one_redactor
def approve_checkpoint(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    seen_version: int,
    seen_hash: str | None = None,
    comment: str = "",
    arguments: Mapping[str, JSON] | None = None,
    now: datetime | None = None,
) -> FlowRun:
    """The step that was asked about is at work, with other `arguments` if some are given that differ.

    See `_begin_decision` for what is refused. Raises ValidationError by name for an argument that the step
    does not take. The receipt of an edited step holds each changed argument as it was seen and as it was
    approved, under one hash.
    """
    now = now or timezone.now()
    decision = _begin_decision(tenant_id, run_id, actor, "approve", seen_version, seen_hash)
    run, step = decision.run, decision.step
    edits = _find_edits(step, _clean(tenant_id, arguments or {}))
    outcome = Outcome.EDITED if edits else Outcome.APPROVED
    if edits:
        decision = replace(decision, seen={**decision.seen, "edits": dict(edits)})
    approved = {**step.parameters, **{name: after for name, (_, after) in edits.items()}}
    move_step(step, "approve", {"started_at": now, "parameters": approved})
    start = make_step_start(run, step, now, arguments=step.parameters)
    seq = _keep_decision(decision, outcome, actor, comment, now, start)
    verb = f"changed {', '.join(edits)} and approved" if edits else "approved"
    _move(decision, "approve", actor, now, seq, f"{actor.name} {verb} step {step.position} “{step.name}”.")
    wake(run)
    return run


def _clean(tenant_id: uuid.UUID, arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    clean = redact_value(tenant_id=tenant_id, value=dict(arguments))
    if not isinstance(clean, dict):
        raise ValidationError({"arguments": "they are nested too deeply to be searched for credentials"})
    return clean


def _find_edits(step: StepRun, arguments: Mapping[str, JSON]) -> dict[str, list[JSON]]:
    """[before, after] of each argument that differs from what the step has."""
    unknown = arguments.keys() - step.parameters.keys()
    if unknown:
        takes = ", ".join(step.parameters) or "none"
        raise ValidationError(
            {name: f"step “{step.name}” has no parameter “{name}”; it takes {takes}" for name in unknown}
        )
    return {
        name: [step.parameters[name], value]
        for name, value in arguments.items()
        if content_hash(value) != content_hash(step.parameters[name])
    }


@transaction.atomic
@with_one_redactor
def skip_checkpoint(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    seen_version: int,
    seen_hash: str | None = None,
    comment: str = "",
    now: datetime | None = None,
) -> FlowRun:
    """The step that was asked about is passed over; passing over the last one completes the run."""
    now = now or timezone.now()
    decision = _begin_decision(tenant_id, run_id, actor, "skip", seen_version, seen_hash)
    run, step = decision.run, decision.step
    move_step(step, "skip", {"finished_at": now})
    seq = _keep_decision(decision, Outcome.SKIPPED, actor, comment, now)
    rule = f"{actor.name} skipped step {step.position} “{step.name}”."
    _move(decision, "skip", actor, now, seq, rule, step_position=next_position(run))
    if step.position == run.step_count:
        complete_locked_run(run, actor=actor, now=now)
    else:
        wake(run)
    return run


@transaction.atomic
@with_one_redactor
def reject_checkpoint(
    *,
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    seen_version: int,
    seen_hash: str | None = None,
    comment: str = "",
    now: datetime | None = None,
) -> FlowRun:
    """The run ends rejected, its comment kept; this step and all later ones are cancelled."""
    now = now or timezone.now()
    decision = _begin_decision(tenant_id, run_id, actor, "reject", seen_version, seen_hash)
    cancel_open_steps(decision.run, now)
    seq = _keep_decision(decision, Outcome.REJECTED, actor, comment, now)
    because = make_headline(tenant_id, comment)
    error = f"Rejected by {actor.name}" + (f": {because}" if because else "")
    rule = f"{actor.name} rejected step {decision.step.position} “{decision.step.name}”."
    _move(decision, "reject", actor, now, seq, rule, error=error[:HEADLINE_LENGTH], finished_at=now)
    return decision.run


@dataclass(frozen=True, slots=True)
class _Decision:
    """A paused run, locked, with the step that is asked about and what the person saw of it."""

    run: FlowRun
    step: StepRun
    seen: dict[str, JSON]


def _begin_decision(
    tenant_id: uuid.UUID,
    run_id: uuid.UUID,
    actor: Actor,
    move: str,
    seen_version: int,
    seen_hash: str | None,
) -> _Decision:
    """Lock the run and make sure that the decision is about what stands there.

    Raises FlowRun.DoesNotExist; `AlreadyDecided` when somebody was faster; `StaleVersion` when the run, or
    what the checkpoint shows, is not what was seen; `IllegalMove`; PermissionDenied for anyone but a person
    whom the flow lets decide. `seen_hash` is the hash that the person's page was made from.
    """
    run = lock_session(FlowRun, tenant_id=tenant_id, session_id=run_id)
    _refuse_if_decided(run, seen_version)
    check_move(run, moves=MOVES, move=move, seen_version=seen_version)
    if actor.user_id is None or (run.approver_ids and actor.user_id not in run.approver_ids):
        raise PermissionDenied(f"{actor.name} is not one of those who decide the checkpoints of this run")
    step = find_current_step(run)
    seen = see_checkpoint(run, step)
    if content_hash(seen) != (seen_hash or run.checkpoint_hash):
        raise StaleVersion(subject=_name(run), seen=seen_version, current=run.version, status=run.status)
    return _Decision(run, step, seen)


def _refuse_if_decided(run: FlowRun, seen_version: int) -> None:
    if run.status == RunStatus.PAUSED and run.version == seen_version:
        return
    receipts = DecisionReceipt.objects.for_tenant(run.tenant_id).filter(
        session_kind=KIND, session_id=run.pk, seen__version=seen_version
    )
    receipt = receipts.select_related("decided_by").first()
    if receipt is not None:
        raise AlreadyDecided(
            subject=_name(run),
            seen=seen_version,
            current=run.version,
            status=run.status,
            outcome=receipt.outcome,
            decided_by=receipt.decided_by.display_name if receipt.decided_by else "nobody",
            decided_at=receipt.created_at,
        )


def _keep_decision(
    decision: _Decision, outcome: Outcome, actor: Actor, comment: str, now: datetime, *further: NewEntry
) -> int:
    """The receipt and the transcript's line, with `further` ones after it; the line's number."""
    run, step = decision.run, decision.step
    receipt = record_decision(
        tenant_id=run.tenant_id,
        session=(KIND, run.pk),
        subject=f"step {step.position} “{step.name}”",
        outcome=outcome.value,
        seen=decision.seen,
        decided_by_id=actor.user_id,
        comment=redact(tenant_id=run.tenant_id, text=comment),
    )
    said = f": {comment}" if comment.strip() else ""
    verb = "edited and approved" if outcome is Outcome.EDITED else outcome.value
    edits = {"edits": decision.seen["edits"]} if outcome is Outcome.EDITED else {}
    line = make_line(
        kind=EntryKind.APPROVAL,
        native_id=f"step:{step.position}:{step.attempt}:{outcome.value}",
        text=f"{actor.name} {verb} step {step.position} “{step.name}”{said}",
        now=now,
        data=step_data(step, "decision", outcome=outcome.value, content_hash=receipt.content_hash, **edits),
        attempt=step.attempt,
    )
    return write_lines(run, line, *further)


def _move(
    decision: _Decision, move: str, actor: Actor, now: datetime, seq: int, rule: str, **fields: Any
) -> None:
    save_run(
        decision.run,
        move,
        actor=actor,
        now=now,
        rule=rule,
        fields={"checkpoint_message": "", "checkpoint_hash": "", "waiting_since": None, **fields},
        entry_seq=seq,
    )


def _name(run: FlowRun) -> str:
    return f"flow run “{run.title}”"
