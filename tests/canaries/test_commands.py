"""Credentials that commands print, write and hand back, in ways in which pieces could let them through."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agents.runtimes import Stop
from audit.entries import EntryKind
from audit.models import TranscriptEntry
from flows.engine import advance
from flows.leases import claim_run
from flows.models import Artifact, FlowRun, StepRun
from tests.canaries.searching import Canaries, dump_database, overhear_valkey, random_text
from tests.factories.agents import ProfileFactory
from tests.flows.doings import Bench
from tests.flows.worlds import World
from workspace.services import set_secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

#: One character at a time, with a pause in the middle; what follows a head that a vendor chose likewise.
SLOWLY = r"""
spell() {
  for ((i = 0; i < ${#1}; i++)); do printf %s "${1:i:1}"; sleep 0.01; [ $i -ne 9 ] || sleep 0.7; done
}
printf 'it says '; spell "$CANARY"; printf '\nand then '; spell "gh""p_$PARAM_NOISE"; echo
"""
#: Across each place where a piece may end, within a line and between lines, and in the middle of an escape.
ACROSS = r"""
for size in 32700 32740 32760 32767; do head -c $size /dev/zero | tr '\0' 'x'; echo " $CANARY"; done
for n in $(seq 900); do echo "line $n $CANARY gh""p_$PARAM_NOISE"; done
printf 'gh''p_\033[1m%s\033[0m\n' "$PARAM_NOISE"
printf 'gh''p_%s\\\n%s\n' "${PARAM_NOISE:0:20}" "${PARAM_NOISE:20}"
printf '%s\r%s done\n' "$CANARY" "$CANARY"
printf %s "$CANARY" | base64; printf %s "$CANARY" | od -An -tx1 | tr -d ' \n'; echo
"""
EVERYWHERE = r"""
echo "$CANARY" > "$CANARY.txt"; echo "token = gh""p_$PARAM_NOISE" > notes.txt
printf '{"key": "%s", "%s": 1}' "$CANARY" "$CANARY" > "$RESULT_FILE"
"""
CUT_OFF = r"""printf %s "${CANARY:0:30}"; exit 3"""
FAILING = r"""echo "cannot reach $CANARY with gh""p_$PARAM_NOISE"; exit 3"""


def test_commands_that_print_write_and_return_credentials_leave_none(settings, tmp_path: Path, caplog):
    caplog.set_level(logging.DEBUG)
    settings.WORK_DIR, settings.MEDIA_ROOT = tmp_path / "work", tmp_path / "media"
    noise = random_text(36)
    canaries = Canaries(shaped=("gh" + "p_" + noise,))
    bench = Bench(World())
    tenant_id = bench.world.tenant.pk
    set_secret(tenant_id=tenant_id, name="CANARY", value=canaries.registered, actor=bench.world.actor)
    profile = ProfileFactory(tenant=bench.world.tenant, env_secret_names=["CANARY"], sandbox="none")
    given = {"profile_id": profile.pk, "parameters": {"noise": noise}, "on_failure": "skip"}
    run = bench.start(
        {"body": SLOWLY, **given},
        {"body": ACROSS, **given},
        {"body": EVERYWHERE, "artifacts": ("*",), **given},
        {"body": CUT_OFF, **given},
        {"body": FAILING, **given},
    )
    claim = claim_run(run.pk, "worker")
    assert claim is not None
    with overhear_valkey() as heard:
        advance(claim, Stop())
    assert FlowRun.objects.get(pk=run.pk).status == "completed"
    assert [step.error[:38] for step in StepRun.objects.filter(run=run).order_by("position")] == [
        "", "", "", "The command ended with exit code 3: [c", "The command ended with exit code 3: ca",
    ]  # fmt: skip
    assert Artifact.objects.count() == 2
    pieces = TranscriptEntry.objects.filter(kind=EntryKind.TOOL_RESULT).order_by("seq")
    printed = "".join(pieces.values_list("text", flat=True))
    assert printed.count("[CANARY]") > 900
    haystacks = {
        **dump_database(),
        "pieces as one": printed.encode(),
        "logs": caplog.text.encode(),
        "valkey": b"".join(heard),
        "media": b"".join(path.read_bytes() for path in tmp_path.glob("media/**/*") if path.is_file()),
    }
    assert {name: found for name, hay in haystacks.items() if (found := canaries.found_in(hay))} == {}
    for start in range(len(canaries.registered) - 6):
        assert canaries.registered[start : start + 6] not in printed
