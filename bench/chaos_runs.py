"""The runs of `bench/chaos.py`: commands that leave traces, and what record and traces say afterwards."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from agents.services import create_profile, create_skill
from audit.models import TranscriptEntry
from flows.design import FlowDesign, ParameterDesign, StepDesign
from flows.models import Flow, FlowRun, RunStatus, StepRun, StepStatus
from flows.services import create_flow, start_run
from workspace.actors import SYSTEM
from workspace.models import Tenant, User
from workspace.placement import Placement
from workspace.services import create_tenant, create_user

__all__ = ["Findings", "Ground", "check"]

STEPS = ("fetch", "build", "test", "deploy")
LINES = 20
#: Says numbered lines for a while, then leaves one line, with the time, where nobody cleans up.
BODY = """
for number in $(seq $PARAM_LINES); do echo "line $number."; sleep "$PARAM_PAUSE"; done
echo "$PARAM_STEP $(date +%s.%N)" >> "$PARAM_LEDGER"
"""


@dataclass
class Ground:
    """A workspace with one flow; each run of it writes a ledger of its own into `folder`."""

    folder: Path
    tenant: Tenant
    owner: User
    flow: Flow

    @classmethod
    def make(cls, folder: Path) -> Ground:
        owner = create_user(email="owner@example.com", name="Owner")
        tenant = create_tenant(slug="chaos", name="Chaos", owner=owner)
        skill = create_skill(tenant_id=tenant.pk, name="Trace", runtime="shell", body=BODY, actor=SYSTEM)
        profile = create_profile(
            tenant_id=tenant.pk, name="Plain", runtime="shell", sandbox="none", actor=SYSTEM
        )
        steps = tuple(
            StepDesign(
                name=name,
                skill_id=skill.pk,
                profile_id=profile.pk,
                parameters={
                    "step": name,
                    "lines": LINES,
                    "pause": "{{ params.pause }}",
                    "ledger": "{{ params.ledger }}",
                },
            )
            for name in STEPS
        )
        parameters = (ParameterDesign(name="ledger"), ParameterDesign(name="pause", type="number"))
        design = FlowDesign(name="Chaos", parameters=parameters, steps=steps)
        flow = create_flow(tenant_id=tenant.pk, actor=SYSTEM, design=design)
        return cls(folder, tenant, owner, flow)

    def start(self, dice: random.Random) -> FlowRun:
        """A run whose steps take 0.6 to 4 seconds each."""
        return start_run(
            tenant_id=self.tenant.pk,
            flow_id=self.flow.pk,
            placement=Placement(owner_id=self.owner.pk),
            actor=SYSTEM,
            parameters={
                "ledger": str(self.folder / uuid.uuid4().hex),
                "pause": round(dice.uniform(0.03, 0.2), 3),
            },
        )


@dataclass
class Findings:
    """What is wrong after all: of the record, and of what the commands left behind."""

    unfinished: int = 0
    lost_entries: int = 0
    doubled_entries: int = 0
    repeated_side_effects: int = 0
    missing_side_effects: int = 0
    cut_off: int = 0
    remarks: list[str] = field(default_factory=list)


def check(runs: list[FlowRun]) -> Findings:
    findings = Findings()
    for run in runs:
        run.refresh_from_db()
        if run.status != RunStatus.COMPLETED:
            findings.unfinished += 1
            findings.remarks.append(f"{run.pk} is {run.status}: {run.error}")
        attempts = list(StepRun.objects.for_tenant(run.tenant_id).filter(run=run))
        findings.cut_off += sum(attempt.was_cut_off for attempt in attempts)
        _check_entries(run, attempts, findings)
        _check_ledger(run, attempts, findings)
    return findings


def _check_entries(run: FlowRun, attempts: list[StepRun], findings: Findings) -> None:
    """Numbers without a gap, ids without a double, of each attempt the lines that it printed, in order."""
    entries = list(
        TranscriptEntry.objects.for_tenant(run.tenant_id)
        .filter(transcript__session_id=run.pk)
        .order_by("seq")
        .values_list("seq", "native_id", "text")
    )
    seqs = [seq for seq, _, _ in entries]
    findings.lost_entries += len(set(range(1, max(seqs) + 1)) - set(seqs))
    findings.doubled_entries += len(entries) - len({native_id for _, native_id, _ in entries})
    for attempt in attempts:
        prefix = f"step:{attempt.position}:{attempt.attempt}:out:"
        said = "".join(text for _, native_id, text in entries if native_id.startswith(prefix)).split()
        numbers = [int(word.rstrip(".")) for word in said if word.endswith(".")]
        findings.doubled_entries += len(numbers) - len(set(numbers))
        if attempt.status == StepStatus.COMPLETED:
            findings.lost_entries += LINES - len(set(numbers))
        elif numbers != list(range(1, len(numbers) + 1)):
            findings.lost_entries += 1
            findings.remarks.append(f"{run.pk} {attempt}: {numbers}")


def _check_ledger(run: FlowRun, attempts: list[StepRun], findings: Findings) -> None:
    """A step that has finished leaves no further trace, and each attempt one at most."""
    path = Path(run.parameters["ledger"])
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    times = Counter(name for name, _ in lines)
    for name in STEPS:
        tries = [attempt for attempt in attempts if attempt.name == name and attempt.started_at]
        done = next((a.finished_at for a in tries if a.status == StepStatus.COMPLETED), None)
        if done is None:
            continue
        late = sum(step == name and float(at) > done.timestamp() for step, at in lines)
        findings.repeated_side_effects += max(late, times[name] - len(tries))
        findings.missing_side_effects += times[name] == 0
