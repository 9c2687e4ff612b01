"""The flows of the demo that truly run: shell commands on the bundled repository."""

from __future__ import annotations

from agents.models import Skill
from agents.services import create_skill
from config.demo.stage import Stage
from flows.design import FlowDesign, ParameterDesign, StepDesign

__all__ = ["real_designs"]

SKILLS = {
    "Look at the repository": r"""
git log --oneline -3
files=$(git ls-files '*.py' | wc -l)
lines=$(git ls-files '*.py' | xargs cat | wc -l)
echo "$files files, $lines lines of Python"
commit=$(git rev-parse --short HEAD)
printf '{"files": %d, "lines": %d, "commit": "%s"}' "$files" "$lines" "$commit" > "$RESULT_FILE"
""",
    "Propose the change": r"""
sh tools/change.sh "$PARAM_TICKET"
mkdir -p out
git diff -- shop checks > out/change.diff
git diff --stat -- shop checks
git diff --name-only -- shop checks \
    | python3 -c 'import json, sys; print(json.dumps({"files": sys.stdin.read().split()}))' > "$RESULT_FILE"
""",
    "Run the checks": r"""
sh tools/change.sh "$PARAM_TICKET"
python3 -m unittest discover -s checks -p 'check_*.py' -v 2>&1 | tee "$TMPDIR/checks"
passed=$(sed -n 's/^Ran \([0-9]*\) tests.*/\1/p' "$TMPDIR/checks")
printf '{"passed": %d}' "$passed" > "$RESULT_FILE"
""",
    "Run the checks again and again": r"""
python3 tools/repeat.py "$PARAM_ROUNDS"
printf '{"rounds": %d, "failed": 0}' "$PARAM_ROUNDS" > "$RESULT_FILE"
""",
    "Apply the change": r"""
sh tools/change.sh "$PARAM_TICKET"
git add -A shop checks
git -c user.name='Sessions demo' -c user.email='demo@example.com' commit -q -m "$PARAM_TICKET"
git log --oneline -1
printf '{"commit": "%s"}' "$(git rev-parse --short HEAD)" > "$RESULT_FILE"
""",
    "Package": r"""
mkdir -p out
git archive --format=zip -o out/shop.zip HEAD shop
python3 - > out/SHA256SUMS <<'CODE'
import hashlib, pathlib
print(hashlib.sha256(pathlib.Path("out/shop.zip").read_bytes()).hexdigest(), " shop.zip")
CODE
cat out/SHA256SUMS
printf '{"bytes": %d}' "$(wc -c < out/shop.zip)" > "$RESULT_FILE"
""",
    "Write a timeline from the log": r"""
python3 tools/timeline.py "$PARAM_SERVICE"
printf '{"page": "out/timeline.md", "lines": %d}' "$(wc -l < out/timeline.md)" > "$RESULT_FILE"
""",
    "Publish the page": r"""
test -f out/timeline.md || python3 tools/timeline.py "$PARAM_SERVICE"
mkdir -p out/published
cp out/timeline.md "out/published/$PARAM_SERVICE.md"
echo "Published out/published/$PARAM_SERVICE.md for $PARAM_AUDIENCE"
""",
}


def real_designs(stage: Stage, repo_path: str) -> dict[str, FlowDesign]:
    """By the name that the demo's stories know them by."""
    skills = {name: _make_skill(stage, name, body) for name, body in SKILLS.items()}
    return {
        "change": _change_the_shop(skills, repo_path),
        "nightly": _nightly_checks(skills, repo_path),
        "page": _incident_page(stage, skills, repo_path),
        "explain": _explain_a_change(stage, skills, repo_path),
    }


def _make_skill(stage: Stage, name: str, body: str) -> Skill:
    return create_skill(
        tenant_id=stage.tenant_id, actor=stage.actor("owner"), name=name, runtime="shell", body=body.strip()
    )


def _change_the_shop(skills: dict[str, Skill], repo_path: str) -> FlowDesign:
    ticket = {"ticket": "{{ params.ticket }}"}
    return FlowDesign(
        name="Change the shop",
        description="From a ticket to a package. A person reads the diff before it is applied.",
        parameters=(ParameterDesign(name="ticket", required=True),),
        steps=(
            StepDesign(name="look", skill_id=skills["Look at the repository"].pk),
            StepDesign(
                name="propose",
                skill_id=skills["Propose the change"].pk,
                parameters=ticket,
                artifacts=("out/change.diff",),
            ),
            StepDesign(
                name="check",
                skill_id=skills["Run the checks"].pk,
                parameters=ticket,
                on_failure="retry",
                max_retries=1,
                backoff_seconds=2,
            ),
            StepDesign(
                name="apply",
                skill_id=skills["Apply the change"].pk,
                parameters={**ticket, "files": "{{ steps.propose.result.files }}"},
                has_checkpoint=True,
                checkpoint_message="All checks pass. Read the diff: shall it be applied?",
            ),
            StepDesign(
                name="package", skill_id=skills["Package"].pk, artifacts=("out/shop.zip", "out/SHA256SUMS")
            ),
        ),
        repo_path=repo_path,
        max_minutes=30,
    )


def _nightly_checks(skills: dict[str, Skill], repo_path: str) -> FlowDesign:
    return FlowDesign(
        name="Nightly checks",
        description="The checks again and again, to meet those that fail now and then; then a package.",
        parameters=(ParameterDesign(name="rounds", type="number", default=30),),
        steps=(
            StepDesign(name="look", skill_id=skills["Look at the repository"].pk),
            StepDesign(
                name="repeat",
                skill_id=skills["Run the checks again and again"].pk,
                parameters={"rounds": "{{ params.rounds }}"},
            ),
            StepDesign(
                name="package",
                skill_id=skills["Package"].pk,
                condition="steps.repeat.result.failed == 0",
                artifacts=("out/*",),
            ),
        ),
        repo_path=repo_path,
        run_mode="background",
    )


def _incident_page(stage: Stage, skills: dict[str, Skill], repo_path: str) -> FlowDesign:
    return FlowDesign(
        name="Incident page",
        description="From a log to a page without blame, which the owner publishes.",
        parameters=(
            ParameterDesign(name="service", required=True),
            ParameterDesign(name="audience", default="everyone in the company"),
        ),
        steps=(
            StepDesign(
                name="timeline",
                skill_id=skills["Write a timeline from the log"].pk,
                parameters={"service": "{{ params.service }}"},
                artifacts=("out/timeline.md",),
            ),
            StepDesign(
                name="publish",
                skill_id=skills["Publish the page"].pk,
                parameters={"service": "{{ params.service }}", "audience": "{{ params.audience }}"},
                has_checkpoint=True,
                checkpoint_message="Publish this page?",
                artifacts=("out/published/*",),
            ),
        ),
        plan_id=stage.plans["webhooks"].pk,
        approver_ids=frozenset({stage.people["owner"].pk}),
        repo_path=repo_path,
    )


def _explain_a_change(stage: Stage, skills: dict[str, Skill], repo_path: str) -> FlowDesign:
    explain = create_skill(
        tenant_id=stage.tenant_id,
        actor=stage.actor("owner"),
        name="Explain the change",
        runtime="model",
        body="Read the change of {{ params.ticket }} in out/change.diff and the code around it. "
        "In three sentences, say what it changes for customers, and name what could go wrong.",
    )
    ticket = {"ticket": "{{ params.ticket }}"}
    return FlowDesign(
        name="Explain a change",
        description="A model reads the diff. It needs a model's key: without one the run says what to set.",
        parameters=(ParameterDesign(name="ticket", required=True),),
        steps=(
            StepDesign(
                name="propose",
                skill_id=skills["Propose the change"].pk,
                parameters=ticket,
                artifacts=("out/change.diff",),
            ),
            StepDesign(name="explain", skill_id=explain.pk, parameters=ticket),
        ),
        repo_path=repo_path,
        max_turns=20,
    )
