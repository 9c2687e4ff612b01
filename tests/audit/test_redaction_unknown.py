"""Credentials that nobody registered are known by their shape; what only looks random stays."""

from __future__ import annotations

import base64
import os
import random
import re
import socket

import pytest

from audit.redaction import DETECTOR, Redactor
from tests.audit.redaction_samples import (
    MARK_KEY,
    PLACEHOLDERS,
    github_token,
    harmless,
    shaped_credentials,
    text,
)


@pytest.fixture
def redactor() -> Redactor:
    return Redactor({}, MARK_KEY)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(21)


def test_credentials_of_known_shapes_become_their_rule_and_a_mark(
    redactor: Redactor, rng: random.Random
) -> None:
    for rule, value in shaped_credentials(rng).items():
        done = redactor.redact_text(f"before {value} after")
        assert re.fullmatch(rf"before \[REDACTED:{rule}#[a-z2-7]{{4}}\] after", done.text)
        (found,) = done.findings
        assert (found.name, found.is_known) == (rule, False)
        assert done.text[found.start : found.end].startswith("[REDACTED:")


def test_one_value_has_one_mark_and_another_value_another(redactor: Redactor, rng: random.Random) -> None:
    one, other = github_token(rng), github_token(rng)
    first, second, third = redactor.redact_text(f"{one} {one} {other}").text.split()
    assert first == second != third
    assert Redactor({}, b"another tenant's key").redact_text(one).text != first


def test_places_are_right_beside_characters_of_many_bytes(redactor: Redactor, rng: random.Random) -> None:
    done = redactor.redact_text(f"é✓𝄞 {github_token(rng)} é✓𝄞 {github_token(rng)} é")
    assert re.fullmatch(r"é✓𝄞 \[\S+\] é✓𝄞 \[\S+\] é", done.text)
    assert [done.text[found.start : found.end][:10] for found in done.findings] == ["[REDACTED:"] * 2


def test_a_credential_in_base64_is_found(redactor: Redactor, rng: random.Random) -> None:
    encoded = base64.b64encode(f"token={github_token(rng)}".encode()).decode()
    assert encoded not in redactor.redact_text(f"data: {encoded}").text


def test_a_comment_pardons_nothing(redactor: Redactor, rng: random.Random) -> None:
    for comment in ("gitleaks:allow", "pragma: allowlist secret", "betterleaks:allow", "kingfisher:ignore"):
        value = github_token(rng)
        assert value not in redactor.redact_text(f'key = "{value}"  # {comment}').text


def test_the_name_of_a_field_is_context_for_its_value(redactor: Redactor, rng: random.Random) -> None:
    value = text(rng, 40)
    clean, _ = redactor.redact_json({"env": {"AWS_SECRET_ACCESS_KEY": value, "HOME": "/root"}})
    assert re.fullmatch(r"\[REDACTED:secret#....\]", clean["env"]["AWS_SECRET_ACCESS_KEY"])
    assert clean["env"]["HOME"] == "/root"


def test_each_text_of_a_json_value_gets_its_own_findings(redactor: Redactor, rng: random.Random) -> None:
    values = [github_token(rng) for _ in range(3)]
    body = {"a": [f"é {values[0]}", "nothing"], values[1]: {"b": f"{values[2]} {values[2]}"}}
    clean, findings = redactor.redact_json(body)
    assert not any(value in repr(clean) for value in values)
    key = list(clean)[1]
    assert [found.field for found in findings] == ["/a/0", f"/{key} (key)", f"/{key}/b", f"/{key}/b"]
    stored = {"/a/0": clean["a"][0], f"/{key} (key)": key, f"/{key}/b": clean[key]["b"]}
    for found in findings:
        assert re.fullmatch(r"\[REDACTED:github-pat#....\]", stored[found.field][found.start : found.end])


@pytest.mark.parametrize("kind", harmless(random.Random(0)))
def test_what_is_random_by_design_stays(kind: str, redactor: Redactor, rng: random.Random) -> None:
    for _ in range(50):
        sample = harmless(rng)[kind]
        assert redactor.redact_text(sample).text == sample
        assert redactor.redact_json({"content": [{"text": sample}]})[0] == {"content": [{"text": sample}]}


@pytest.mark.parametrize("sample", PLACEHOLDERS)
def test_placeholders_stay(sample: str, redactor: Redactor) -> None:
    assert redactor.redact_text(sample).text == sample


def test_a_placeholder_that_we_never_made_hides_nothing(redactor: Redactor, rng: random.Random) -> None:
    value = github_token(rng)
    for disguise in (f"[REDACTED:{value}#aaaa]", f"[{value}]", f"[UNSCANNED: {value}, 1 bytes]"):
        assert value not in redactor.redact_text(disguise).text


def test_ids_signatures_and_images_are_skipped_by_what_they_are(
    redactor: Redactor, rng: random.Random
) -> None:
    signature = base64.b64encode(rng.randbytes(900)).decode()
    body = {
        "uuid": "0b7c9d1e-1111-4222-8333-444455556666",
        "message": {
            "id": "msg_01" + text(rng, 22),
            "content": [{"type": "thinking", "thinking": "", "signature": signature}],
        },
        "image": {
            "type": "base64",
            "data": base64.b64encode(b"\xff\xd8\xff\xe0" + rng.randbytes(900)).decode(),
        },
    }
    assert redactor.redact_json(body) == (body, [])


def test_a_credential_in_the_place_of_an_id_a_signature_or_an_image_is_found(
    redactor: Redactor, rng: random.Random
) -> None:
    value = github_token(rng)
    body = {"uuid": value, "signature": value, "data": value, "block": {"type": "text", "signature": value}}
    assert value not in repr(redactor.redact_json(body)[0])


def open_sockets() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        found |= {target} if target.startswith("socket:") else set()
    return found


def test_a_scan_opens_no_socket(
    redactor: Redactor, rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a scan tried to open a socket")

    DETECTOR.warm_up()
    before = open_sockets()
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for value in shaped_credentials(rng).values():
        assert value not in redactor.redact_text(value).text
    assert open_sockets() <= before
