"""The engine: a worker takes a run up and does what its rows say is next, until the run rests.

One decision at a time, each carried out by one service under the worker's fence. So a worker may die
anywhere: whoever takes the run up next reads the rows and goes on from there. See `docs/engine.md`.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import Error, InterfaceError, OperationalError, connection
from django.utils import timezone

from agents.folders import is_itself
from agents.runtimes import Outcome, Stop, StopReason, get_runtime
from audit.entries import JSON
from audit.imports import Delivery
from audit.models import DecisionReceipt
from audit.models import Outcome as Decided
from audit.redaction import Redactor
from audit.redactors import one_redactor
from flows import services
from flows.deciding import (
    Approval,
    Ask,
    Begin,
    Block,
    Complete,
    Decision,
    Fail,
    GiveUp,
    Pass,
    Recover,
    Retry,
    Skip,
    Start,
    TakeUp,
    Wait,
    decide,
    decide_after_failure,
)
from flows.leases import KIND, Claim, LeaseLost, claim_run, keep, make_holder, park, release
from flows.models import FlowRun, StepRun, StepStatus
from flows.performing import (
    Assignment,
    FindRuntime,
    LimitPassed,
    Missing,
    find_limits,
    make_assignment,
    open_folder,
)
from flows.services.artifacts import ArtifactTooBig, keep_artifacts
from flows.waking import send_run
from workspace.actors import Actor, ActorKind

__all__ = ["advance", "take_up"]

logger = logging.getLogger(__name__)

#: A worker that has longer than this to wait for the next attempt lets go of the run meanwhile.
LONGEST_WAIT_SECONDS = 5.0
ENGINE = Actor(ActorKind.SYSTEM, "engine")
#: A run lasts longer than what is known of secrets may be old.
REDACTOR_SECONDS = 2.0


def take_up(run_id: uuid.UUID, stop: Stop | None = None, *, find_runtime: FindRuntime = get_runtime) -> bool:
    """Claim a run and work on it until it rests; False if there was nothing to claim.

    `stop` hands it back where it stands. Whatever goes wrong, the run is let go of: a database that is away
    leaves it to the sweep, a fault of ours interrupts it.
    """
    claim = claim_run(run_id, make_holder())
    if claim is None:
        return False
    stop = stop or Stop()
    try:
        with keep(claim, stop):
            advance(claim, stop, find_runtime=find_runtime)
        release(claim)
    except LeaseLost as lost:
        logger.info("%s", lost)
    except (OperationalError, InterfaceError) as error:
        logger.warning("run %s was let go of, the database is away: %s", run_id, error)
        connection.close()
    except Exception as error:
        logger.exception("run %s cannot go on", run_id)
        _interrupt(claim, error)
    if stop.reason is StopReason.SHUTDOWN:
        send_run(run_id)
    return True


def advance(claim: Claim, stop: Stop, *, find_runtime: FindRuntime = get_runtime) -> None:
    """Do what is next on a claimed run until it rests or `stop` is set. Raises `LeaseLost`."""
    with ExitStack() as blocks:
        worker = _Worker(claim, stop, find_runtime, blocks)
        while not stop.is_set() and worker.take_step():
            pass


def _interrupt(claim: Claim, error: Exception) -> None:
    reason = (
        f"recovery gave up: {type(error).__name__} in the engine. "
        "The workers' log has the rest; resume the run once that is mended."
    )
    try:
        services.interrupt_run(
            tenant_id=claim.tenant_id, run_id=claim.run_id, actor=ENGINE, reason=reason, fence=claim.fence
        )
    except LeaseLost:
        return
    except Exception:
        logger.exception("run %s could not be interrupted", claim.run_id)


@dataclass(slots=True)
class _Begun:
    """An attempt at work: its rows as they were when it began, and what it is performed with."""

    run: FlowRun
    step: StepRun
    steps: list[StepRun]
    assignment: Assignment


def _newest(run: FlowRun, steps: Iterable[StepRun]) -> StepRun:
    """The newest attempt of the step that the run stands at."""
    return max((s for s in steps if s.position == run.step_position), key=lambda s: s.attempt)


@dataclass(slots=True)
class _Worker:
    """One claim at work. `folder` is the run's, once it was opened; `blocks` holds the redactor open."""

    claim: Claim
    stop: Stop
    find_runtime: FindRuntime
    blocks: ExitStack
    folder: Path | None = None
    _redactor: Redactor | None = None
    _known_at: float = 0.0

    def know_secrets(self) -> Redactor:
        """The redactor of all that is written from now on; it knows what was registered until just now."""
        if self._redactor is None or time.monotonic() - self._known_at > REDACTOR_SECONDS:
            self.blocks.close()
            self._known_at = time.monotonic()
            self._redactor = self.blocks.enter_context(one_redactor(self.claim.tenant_id))
        return self._redactor

    def take_step(self) -> bool:
        """Carry out one decision; False if the run rests."""
        self.know_secrets()
        run = FlowRun.objects.for_tenant(self.claim.tenant_id).get(pk=self.claim.run_id)
        steps = list(StepRun.objects.for_tenant(run.tenant_id).filter(run=run))
        if run.fence != self.claim.fence:
            raise LeaseLost(f"run {run.pk} was taken over")
        step = _newest(run, steps)
        match decide(run, steps, timezone.now(), approval=self._read_approval(run, step)):
            case Start(arguments):
                self._start(run, step, steps, arguments)
            case TakeUp():
                self._start(run, step, steps, None)
            case Wait(until):
                seconds = (until - timezone.now()).total_seconds()
                if seconds > LONGEST_WAIT_SECONDS:
                    park(self.claim, until)
                    return False
                self.stop.wait(seconds)
            case Begin():
                services.begin_run(**self._as_engine())
            case Skip(reason):
                services.skip_step(**self._as_engine(), reason=reason)
            case Recover(error, was_handed_back):
                services.retry_step(
                    **self._as_engine(), error=error, was_cut_off=True, was_handed_back=was_handed_back
                )
            case resting:
                self._come_to_rest(resting)
                return False
        return True

    def _come_to_rest(self, decision: Decision) -> None:
        match decision:
            case Complete():
                services.complete_run(**self._as_engine())
            case Ask(arguments, again, message):
                services.pause_at_checkpoint(
                    **self._as_engine(), arguments=arguments, again=again, message=message
                )
            case Block(reason):
                services.block_run(**self._as_engine(), reason=reason)
            case GiveUp(reason):
                services.interrupt_run(**self._as_engine(), reason=reason)

    def _read_approval(self, run: FlowRun, step: StepRun) -> Approval | None:
        """The last approval of the current step, where a decision may hang on it."""
        is_approved = step.status == StepStatus.RUNNING and step.fence is None
        is_further = step.status == StepStatus.PENDING and step.attempt > 1
        if not is_approved and not is_further:
            return None
        receipts = DecisionReceipt.objects.for_tenant(run.tenant_id).filter(
            session_kind=KIND,
            session_id=run.pk,
            outcome__in=[Decided.APPROVED, Decided.EDITED],
            seen__step__position=step.position,
        )
        seen = receipts.order_by("-created_at", "-pk").values_list("seen", flat=True).first()
        return None if seen is None else Approval(seen, services.see_edits(run))

    def _start(
        self, run: FlowRun, step: StepRun, steps: list[StepRun], arguments: Mapping[str, JSON] | None
    ) -> None:
        """Begin with a step and see it through; one that was approved has its arguments already."""
        try:
            folder, was_lost = self._open_folder(run, steps)
            if was_lost:
                return  # what was approved may be gone with it: decide again
            assigned = step.parameters if arguments is None else arguments
            begun = self._assign(run, step, steps, assigned, folder, self.know_secrets())
        except Missing as missing:
            services.block_run(**self._as_engine(), reason=str(missing))
            return
        if arguments is None:
            services.take_up_step(**self._as_worker())
        else:
            begun.step = services.start_step(**self._as_engine(), arguments=arguments)
        following: _Begun | None = begun
        while following is not None:
            following = self._see_through(following)

    def _assign(
        self,
        run: FlowRun,
        step: StepRun,
        steps: list[StepRun],
        arguments: Mapping[str, JSON],
        folder: Path,
        redactor: Redactor,
    ) -> _Begun:
        """All that an attempt is begun with. Raises `Missing`."""
        assignment = make_assignment(
            run, step, arguments=arguments, folder=folder, redactor=redactor, find_runtime=self.find_runtime
        )
        return _Begun(run, step, steps, assignment)

    def _see_through(self, begun: _Begun) -> _Begun | None:
        """Do what is at work to its end; the step that has begun with that, if one has."""
        try:
            limits = find_limits(begun.run, begun.step, begun.steps)
        except LimitPassed as passed:
            services.fail_step(**self._as_engine(), error=str(passed))
            return None
        work = replace(begun.assignment.work, arguments=begun.step.parameters, limits=limits)
        return self._end(begun, self._perform(replace(begun.assignment, work=work)))

    def _open_folder(self, run: FlowRun, steps: list[StepRun]) -> tuple[Path, bool]:
        """The run's folder, and whether it was lost, which the transcript says then. Raises `Missing`."""
        if self.folder is not None and is_itself(self.folder):
            return self.folder, False
        prepared = open_folder(run, steps)
        self.folder = prepared.path
        was_lost = prepared.is_fresh and any(step.fence is not None for step in steps)
        line = services.make_folder_line(run, timezone.now())
        self._store(Delivery(entries=[line] if was_lost else [], facts=prepared.facts))
        return self.folder, was_lost

    def _perform(self, assignment: Assignment) -> Outcome:
        """See a runtime through its work, storing what it tells before it is asked for more."""
        with closing(assignment.runtime.perform(assignment.work, self.stop)) as performance:
            while True:
                try:
                    delivery = next(performance)
                except StopIteration as done:
                    outcome: Outcome = done.value
                    return outcome
                except Exception as error:
                    logger.exception("runtime %s failed in run %s", assignment.runtime.key, self.claim.run_id)
                    return Outcome(
                        error=f"The runtime {assignment.runtime.key} failed: {type(error).__name__}: {error}"
                    )
                self._store(delivery)

    def _store(self, delivery: Delivery) -> None:
        entries, usages, records = list(delivery.entries), list(delivery.usages), list(delivery.records)
        if entries or usages or records or delivery.facts or delivery.first_facts:
            self.know_secrets()
            delivery = replace(delivery, entries=entries, usages=usages, records=records)
            services.add_entries(**self._as_worker(), delivery=delivery)

    def _end(self, begun: _Begun, outcome: Outcome) -> _Begun | None:
        """Write down how an attempt ended. Work that was stopped did not fail; it was cut off."""
        run, step = begun.run, begun.step
        self.know_secrets()
        if self.stop.reason in {StopReason.CANCELLED, StopReason.LEASE_LOST}:
            raise LeaseLost(f"run {run.pk}: {self.stop.reason}")
        design = run.snapshot["steps"][step.position - 1]
        if outcome.is_ok and (problem := self._keep_artifacts(step, design)):
            outcome = replace(outcome, error=problem)
        if outcome.is_ok:
            return self._finish(outcome)
        self._store(outcome.last)
        if self.stop.is_set():
            error = f"The worker of step {step.position} “{step.name}” was stopped in the middle of it."
            services.retry_step(**self._as_engine(), error=error, was_cut_off=True, was_handed_back=True)
        else:
            self._fail(step, begun.steps, design, outcome.error)
        return None

    def _finish(self, outcome: Outcome) -> _Begun | None:
        """The attempt is done, and the next step begins with it where nothing speaks against that."""
        redactor = self.know_secrets()
        begun: _Begun | None = None

        def look_ahead(run: FlowRun, steps: Sequence[StepRun]) -> Mapping[str, JSON] | None:
            nonlocal begun
            begun = self._look_ahead(run, list(steps), redactor)
            return None if begun is None else begun.assignment.work.arguments

        services.finish_step(
            **self._as_engine(), result=outcome.result, last=outcome.last, look_ahead=look_ahead
        )
        return begun

    def _look_ahead(self, run: FlowRun, steps: list[StepRun], redactor: Redactor) -> _Begun | None:
        """The next step, if it can begin at once; anything else is decided when this has been stored."""
        step = _newest(run, steps)
        if self.stop.is_set() or step.attempt > 1 or self.folder is None or not is_itself(self.folder):
            return None
        try:
            decision = decide(run, steps, timezone.now())
            if isinstance(decision, Start):
                return self._assign(run, step, steps, decision.arguments, self.folder, redactor)
        except Error:
            raise
        except Exception:
            # It is met again by whoever begins with that step; what has been done by now is to be kept.
            logger.debug("run %s does not go on at once", run.pk, exc_info=True)
        return None

    def _keep_artifacts(self, step: StepRun, design: Mapping[str, Any]) -> str:
        """Keep the files that the step declares; what is wrong with them, "" if nothing."""
        if not design.get("artifacts") or self.folder is None:
            return ""
        try:
            keep_artifacts(
                **self._as_worker(),
                step_run_id=step.pk,
                folder=self.folder,
                patterns=design["artifacts"],
                redactor=self.know_secrets(),
                now=timezone.now(),
            )
        except ArtifactTooBig as error:
            return str(error)
        return ""

    def _fail(self, step: StepRun, steps: list[StepRun], design: Mapping[str, Any], error: str) -> None:
        attempts = [attempt for attempt in steps if attempt.position == step.position]
        now = timezone.now()
        match decide_after_failure(design, attempts, now):
            case Retry(due_at):
                services.retry_step(**self._as_engine(), error=error, due_at=due_at, now=now)
            case Pass(to):
                services.pass_step(**self._as_engine(), error=error, to=to)
            case Fail():
                services.fail_step(**self._as_engine(), error=error)

    def _as_worker(self) -> dict[str, Any]:
        claim = self.claim
        return {"tenant_id": claim.tenant_id, "run_id": claim.run_id, "fence": claim.fence}

    def _as_engine(self) -> dict[str, Any]:
        return {**self._as_worker(), "actor": ENGINE}
