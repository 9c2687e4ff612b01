"""Every rule finds its example, and there is no rule without one."""

from __future__ import annotations

import random
import re

from audit.redaction import DETECTOR
from audit.redaction.rules import RULES
from tests.audit.rule_examples import EXAMPLES, fill


def test_each_rule_has_one_name_and_one_example() -> None:
    names = [rule.name for rule in RULES]
    assert sorted(names) == sorted(EXAMPLES)


def test_every_rule_finds_its_example_whole_wherever_it_stands() -> None:
    rng = random.Random(1)
    missed: dict[str, int] = {}
    for name, example in EXAMPLES.items():
        for before, after in (("", ""), ("x = '", "'"), ("\\n", "\\n"), ("é ", " é"), ("(", ")")):
            value = fill(example, rng)
            start = 1 + len(before.encode())
            hits = [hit for hit in DETECTOR.find(f"\n{before}{value}{after}".encode()) if hit.rule == name]
            if not any(hit.start <= start and hit.end >= start + len(value) for hit in hits):
                missed[name] = missed.get(name, 0) + 1
    assert {name: count for name, count in missed.items() if count > 1} == {}
    assert sum(missed.values()) < 10  # noise may happen to look like words


def test_no_rule_takes_a_stand_in_for_a_credential() -> None:
    rng = random.Random(2)
    for name, example in EXAMPLES.items():
        value = re.sub(r"\{\w(\d+)\}", lambda hole: "x" * int(hole[1]), example)
        if "x" * 12 in value:
            assert [hit for hit in DETECTOR.find(f"\n{value}\n".encode()) if hit.rule == name] == []
        assert fill(example, rng) != value
