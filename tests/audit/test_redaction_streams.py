"""A text in blocks comes out as the whole text does, however it is cut."""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.redaction import Redactor, redact_stream
from tests.audit.redaction_contexts import AGENT_CONTEXTS, fill
from tests.audit.redaction_samples import MARK_KEY, github_token, shaped_credentials

VALUE = "kn0wn" + "-s3cr3t/value"


def long_text(rng: random.Random, size: int) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < size:
        parts += [fill(rng.choice(AGENT_CONTEXTS), rng)[0], "ordinary words é " * rng.randint(0, 60), VALUE]
        parts += rng.sample(list(shaped_credentials(rng).values()), 1)
        rng.shuffle(parts[-4:])
    return "\n".join(parts)


TEXT = long_text(random.Random(41), 170_000)


def cut(text: str, sizes: list[int]) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        yield text[at : at + size]
        at += size


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 90_000), min_size=1, max_size=4), st.integers(500, 30_000))
def test_any_cut_of_a_stream_gives_the_whole_texts_result(sizes: list[int], block: int) -> None:
    redactor = Redactor({"KNOWN": VALUE}, MARK_KEY)
    whole = redactor.redact_text(TEXT)
    parts = list(redact_stream(redactor, cut(TEXT, sizes), block))
    assert "".join(part.text for part in parts) == whole.text
    found = [(one.name, one.source_start, one.source_end) for part in parts for one in part.findings]
    assert found == [(one.name, one.source_start, one.source_end) for one in whole.findings]


def test_each_cut_of_a_credential_is_seen_through() -> None:
    redactor = Redactor({}, MARK_KEY)
    value = github_token(random.Random(3))
    filler = "some words\n" * 9_000
    for at in range(len(value)):
        parts = [filler + value[:at], value[at:] + "\n" + filler]
        done = "".join(part.text for part in redact_stream(redactor, parts, block=1_000))
        assert value not in done
        assert done.count("[REDACTED:github-pat#") == 1


def test_a_stream_holds_a_few_blocks_however_long_it_is() -> None:
    redactor = Redactor({}, MARK_KEY)
    read = given_out = most = 0

    def parts() -> Iterator[str]:
        nonlocal read
        for _ in range(200):
            read += 10_000
            yield "words and more words\n" * 476 + "abcd"

    for part in redact_stream(redactor, parts(), block=100_000):
        given_out += len(part.text)
        most = max(most, read - given_out)
    assert given_out == read
    assert most < 400_000


def run_command(monkeypatch: pytest.MonkeyPatch, source: bytes, *arguments: str) -> str:
    output = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source), "utf-8"))
    monkeypatch.setattr(sys, "stdout", output)
    call_command("redact", *arguments)
    buffer = output.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def test_the_command_copies_a_text_without_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    value = github_token(random.Random(4))
    done = run_command(monkeypatch, f"é {value}\r\nend".encode())
    assert done.startswith("é [REDACTED:github-pat#")
    assert done.endswith("]\r\nend")


def test_the_command_tells_places_in_the_input_and_never_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    value = github_token(random.Random(5))
    text = f"é✓ {value} and {value}"
    done = run_command(monkeypatch, text.encode(), "--json")
    reports = [json.loads(line) for line in done.splitlines()]
    assert [report["rule"] for report in reports] == ["github-pat"] * 2
    assert [text[report["start"] : report["end"]] for report in reports] == [value] * 2
    assert value not in done


def test_the_command_looks_for_secrets_of_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    path = f"{tmp_path}/some.env"
    with open(path, "w") as file:
        file.write(f"# known\nexport SHOP_KEY='{VALUE}'\nSHORT=abc\n")
    assert run_command(monkeypatch, f"<{VALUE}>".encode(), "--secrets", path) == "<[SHOP_KEY]>"
    assert '"name": "SHOP_KEY"' in run_command(monkeypatch, VALUE.encode(), "--secrets", path, "--json")


def test_bytes_that_are_no_utf8_are_no_end_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    value = github_token(random.Random(6))
    done = run_command(monkeypatch, b"\xff\xfe " + value.encode() + b" \xc3")
    assert done.startswith("\ufffd\ufffd [REDACTED:github-pat#")


def test_lines_of_json_stay_lines_of_json_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    value = github_token(random.Random(7))
    deep: object = value
    for _ in range(300):
        deep = [deep]
    lines = [{"a": [value], value: 1}, 2, "x", None, deep, {"password": "Xy7kPq92" + "mZ41"}]
    source = "\n".join(json.dumps(line) for line in lines) + f"\nnot json {value}\n"
    done = run_command(monkeypatch, source.encode(), "--jsonl")
    values = [json.loads(line) for line in done.splitlines()]
    assert len(values) == 7
    assert value not in done
    assert values[1:4] == [2, "x", None]
    assert values[4].startswith("[UNSCANNED: too deep")
    assert values[5]["password"].startswith("[REDACTED:password#")
    assert values[6].startswith("not json [REDACTED:github-pat#")
    reports = run_command(monkeypatch, source.encode(), "--jsonl", "--json")
    assert '"line": 7' in reports
    assert value not in reports


def test_a_secret_of_several_lines_is_looked_for_and_no_piece_of_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"line{number}of-the-value{number * 7919}==" for number in range(3)]
    (tmp_path / "some.env").write_text('PLAIN=of-one-line-4711\nLONG="' + "\n".join(lines) + '"\n' + lines[0])
    text = f"first {lines[1]} then of-one-line-4711".encode()
    assert (
        run_command(monkeypatch, text, "--secrets", str(tmp_path / "some.env")) == "first [LONG] then [PLAIN]"
    )
    assert capsys.readouterr().err == ""


def test_a_number_beyond_all_bounds_leaves_the_line_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(run_command(monkeypatch, b'{"a": 1e400}\n', "--jsonl")) == '{"a": 1e400}'


def test_a_line_with_half_a_character_keeps_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_command(monkeypatch, b'{"a": "cut here \\ud83d"}\n', "--jsonl")
    assert json.loads(done) == {"a": "cut here \ufffd"}


def test_a_line_that_is_too_long_is_one_line_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.management.commands.redact._MAX_LINE", 1_000)
    monkeypatch.setattr("audit.management.commands.redact._READ", 64)
    value = github_token(random.Random(8))
    long, fits = f'"{"x " * 480}{value}{"y" * 600}"', f'"{"x" * 998}"'
    source = "\n".join(["1", long, "2", fits, f'"{"x" * 999}"']).encode()
    withheld = f"[UNSCANNED: too large, {len(long)} bytes]"
    done = run_command(monkeypatch, source, "--jsonl")
    values = [json.loads(line) for line in done.splitlines()]
    assert values == [1, withheld, 2, "x" * 998, "[UNSCANNED: too large, 1001 bytes]"]
    told = run_command(monkeypatch, source, "--jsonl", "--json").splitlines()
    assert [(one["rule"], one["line"]) for one in map(json.loads, told)] == [
        ("unscanned: too large", 2),
        ("unscanned: too large", 5),
    ]


def test_a_credential_in_a_long_line_is_seen_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    value = github_token(random.Random(9))
    filler = "some words " * ((16 << 20) // 11)
    done = run_command(monkeypatch, f'"{filler[: (16 << 20) - 12]} {value}"\n2\n'.encode(), "--jsonl")
    assert len(done.splitlines()) == 2
    assert value[10:] not in done
