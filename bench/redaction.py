"""Measure redaction: `python -m bench.redaction [--json] [--input FILE] [--engines]`. No database, one core.

Times are the processor's, so that others at work on the same machine matter little; compare engines with each
other all the same.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from audit.redaction import DETECTOR, Redactor
from audit.redaction.detector import Hit
from audit.redaction.rules import RULES
from tests.audit.redaction_contexts import (
    AGENT_CONTEXTS,
    CODE_CONTEXTS,
    ORDINARY_CODE,
    STAND_INS,
    fill,
    harmless,
    text,
)
from tests.audit.rule_examples import EXAMPLES
from tests.audit.rule_examples import fill as fill_example

MEGABYTE = 1_000_000
SIZE = 20 * MEGABYTE
ADVERSE = (
    "password=", "key: ", "token", "A", "'\"", "\x1b[", "api_key=A1", "eyJ", "gh" + "p_", "://a:b@", "a\\",
    '{"password":"', "bearer ", "Y2Fj", "key=Zz9", "-----BEGIN PRIVATE " + "KEY-----", "secret_key: x1Y2z3 ",
)  # fmt: skip
WORDS = ("the", "agent", "reads", "a", "file", "and", "runs", "tests", "to", "see", "whether", "it", "helped")
CODE = (
    "def list_rows(request: HttpRequest, tenant: Tenant) -> HttpResponse:",
    "    rows = Row.objects.for_tenant(tenant.pk).order_by('-changed_at')[:50]",
    "    return render(request, 'rows/list.html', {'rows': rows, 'total': len(rows)})",
    "export function useRows(options: Options = {}): Row[] {",
    "  const [rows, setRows] = useState<Row[]>([]);",
    "tests/rows/test_list.py::test_stranger_gets_404 PASSED                     [ 42%]",
    "diff --git a/rows/views.py b/rows/views.py",
    "+    if not rows:\n+        raise Http404",
    "drwxr-xr-x 4 root root 4096 Nov 22 21:38 templates",
    "   117\t    for (const row of rows) { if (row.isOpen) count += 1; }",
)
START = """
import sys, time
began = time.process_time()
from pathlib import Path
from audit.redaction import DETECTOR, Redactor
DETECTOR.use_cache(Path(sys.argv[1]))
Redactor({}, b"key").redact_text("ordinary words")
print(time.process_time() - began)
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--input", type=Path, help="a text to measure the speed on, in place of a made one")
    parser.add_argument("--engines", action="store_true", help="also measure what was not chosen")
    options = parser.parse_args()
    source = options.input.read_text(errors="replace") if options.input else transcript(SIZE)
    figures: dict[str, object] = measure(source)
    if options.engines:
        figures["engines"] = {name: measure_engine(find, source) for name, find in engines()}
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:28} {value}")


def measure(source: str) -> dict[str, object]:
    rng = random.Random(1)
    redactor = Redactor({f"KNOWN_{n}": text(rng, 32) for n in range(100)}, b"key")
    cold, warm, rss = start_times()
    recall, false = judge(DETECTOR.find)
    return {
        "mb_per_s": round(speed(redactor.redact_text, source), 1),
        "jsonl_mb_per_s": round(json_speed(redactor, source[: 4 * MEGABYTE]), 1),
        "p99_100kb_ms": round(entry_time(redactor, source), 2),
        "start_s": round(warm, 3),
        "cold_start_s": round(cold, 3),
        "rss_mb": round(rss),
        "worst_ratio_8x": round(max(ratio(redactor, unit) for unit in ADVERSE), 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "recall_percent": recall,
        "false_positives_percent": false,
    }


def transcript(size: int) -> str:
    """What agents write and read, made up: prose, code, output, lock files, and a credential now and then."""
    rng = random.Random(7)
    parts: list[str] = []
    made = 0
    while made < size:
        kind = rng.random()
        if kind < 0.4:
            part = " ".join(rng.choice(WORDS) for _ in range(rng.randint(20, 200))) + ".\n"
        elif kind < 0.85:
            lines = [*rng.choices(CODE, k=24), rng.choice(ORDINARY_CODE)]
            part = "\n".join(lines) + f"\nsrc/app/views_{rng.randint(1, 99)}.py:{made}\n"
        elif kind < 0.995:
            part = "\n".join(rng.choice(list(harmless(rng)))[1][:2_000] for _ in range(2)) + "\n"
        else:
            part = fill(rng.choice(AGENT_CONTEXTS), rng)[0] + "\n"
        parts.append(part)
        made += len(part)
    return "".join(parts)


def speed(work: Callable[[str], object], source: str) -> float:
    work(source[:MEGABYTE])
    best = min(timed(lambda: work(source)) for _ in range(3))
    return len(source.encode()) / MEGABYTE / best


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor: others may be at work on the same machine."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def json_speed(redactor: Redactor, source: str) -> float:
    """Of records as an import has them: parsed, redacted and written again."""
    lines = [
        json.dumps(
            {"type": "user", "uuid": str(at), "message": {"role": "user", "content": source[at : at + 2_000]}}
        )
        for at in range(0, len(source), 2_000)
    ]

    def work() -> None:
        for at in range(0, len(lines), 200):
            values = [json.loads(line) for line in lines[at : at + 200]]
            json.dumps(redactor.redact_json(values)[0])

    return sum(map(len, lines)) / MEGABYTE / min(timed(work) for _ in range(2))


def entry_time(redactor: Redactor, source: str) -> float:
    """The 99th percentile of entries of 100 KB, in milliseconds."""
    entries = [source[at : at + 100_000] for at in range(0, min(len(source), SIZE) - 100_000, 100_000)]
    times = [timed(lambda entry=entry: redactor.redact_text(entry)) for entry in entries[:200]]  # type: ignore[misc]
    return statistics.quantiles(times, n=100)[-1] * 1_000 if len(times) > 1 else times[0] * 1_000


def start_times() -> tuple[float, float, float]:
    """Seconds of a first start and of a later one, imports to first result; MB of the later one."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            subprocess.run([sys.executable, "-c", START, folder], capture_output=True, text=True, check=True)
            for _ in range(4)
        ]
    figures = [list(map(float, run.stdout.split())) for run in runs]
    return figures[0][0], min(one[0] for one in figures[1:]), figures[-1][1]


def ratio(redactor: Redactor, unit: str) -> float:
    """How many times longer eight times of a text takes, which is made to be hard."""
    small, large = (unit * (size // len(unit)) for size in (50_000, 400_000))
    redactor.redact_text(small)
    short = min(timed(lambda: redactor.redact_text(small)) for _ in range(5))
    long = min(timed(lambda: redactor.redact_text(large)) for _ in range(3))
    return long / short


def judge(find: Callable[[bytes], list[Hit]]) -> tuple[dict[str, float], dict[str, float]]:
    """Percent of credentials found, by group; percent of samples without one in which any was found."""
    rng = random.Random(5)
    groups = {
        "agents": [fill(context, rng) for context in AGENT_CONTEXTS for _ in range(10)],
        "code": [fill(context, rng) for context in CODE_CONTEXTS for _ in range(10)],
        "shapes": [
            (f"x = '{value}'", value) for value in (fill_example(one, rng) for one in EXAMPLES.values())
        ],
    }
    recall = {name: percent(holds(find, *one) for one in samples) for name, samples in groups.items()}
    recall["all"] = percent(holds(find, *one) for samples in groups.values() for one in samples)
    random_by_design = [sample for _ in range(30) for _, sample in harmless(rng)]
    clean = {"random by design": random_by_design, "code": list(ORDINARY_CODE), "stand-ins": list(STAND_INS)}
    false = {
        name: percent(bool(find(f"\n{one}\n".encode())) for one in samples) for name, samples in clean.items()
    }
    false["all"] = percent(bool(find(f"\n{one}\n".encode())) for samples in clean.values() for one in samples)
    return recall, false


def holds(find: Callable[[bytes], list[Hit]], sample: str, value: str) -> bool:
    """Whether most of the value is in what was found."""
    data = f"\n{sample}\n".encode()
    start = data.index(value.encode())
    end = start + len(value.encode())
    covered = {at for hit in find(data) for at in range(max(hit.start, start), min(hit.end, end))}
    return len(covered) > 0.8 * (end - start)


def percent(found: Iterator[bool]) -> float:
    flags = list(found)
    return round(100 * sum(flags) / len(flags), 1)


def engines() -> Iterator[tuple[str, Callable[[bytes], list[Hit]]]]:
    """What was not chosen, beside what was; the library is one of the development requirements."""
    from kingfisher_sdk import DetectionScanner, Rules

    scanner = DetectionScanner(
        Rules(confidence="low", cache=False), inline_ignores=False, markup_context=False
    )

    def library(data: bytes) -> list[Hit]:
        places = [found.location for found in scanner.scan(data, timeout=60)]
        return [Hit(place["start_offset"], place["end_offset"], "", "") for place in places]

    def library_and_names(data: bytes) -> list[Hit]:
        shapes = {rule.name for rule in RULES}
        return library(data) + [hit for hit in DETECTOR.find(data) if hit.rule not in shapes]

    yield "library", library
    yield "library, names and places", library_and_names
    yield "ours", DETECTOR.find


def measure_engine(find: Callable[[bytes], list[Hit]], source: str) -> dict[str, object]:
    recall, false = judge(find)
    piece = source[: 5 * MEGABYTE].encode()
    mb_per_s = len(piece) / MEGABYTE / min(timed(lambda: find(piece)) for _ in range(2))
    return {"recall": recall, "false": false, "mb_per_s": round(mb_per_s, 1)}


if __name__ == "__main__":
    main()
