"""A text that is watched while it comes: each piece is safe, and together they are the redacted whole."""

from __future__ import annotations

import random
import secrets
import string
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.redaction import LiveText, Redactor
from tests.audit.redaction_contexts import AGENT_CONTEXTS, CODE_CONTEXTS
from tests.audit.redaction_contexts import fill as fill_context
from tests.audit.rule_examples import EXAMPLES
from tests.audit.rule_examples import fill as fill_example

ALNUM = string.ascii_letters + string.digits


def random_text(size: int) -> str:
    return "".join(secrets.choice(ALNUM) for _ in range(size))


KNOWN = random_text(24)
LINES = f"{random_text(20)}\n{random_text(20)} with blanks\n{random_text(9)}"
SHAPED = "gh" + "p_" + random_text(36)
PRIVATE_KEY = "\n".join(
    [
        "-----BEGIN RSA PRI" + "VATE KEY-----",
        *(random_text(64) for _ in range(12)),
        "-----END RSA PRIVATE KEY-----",
    ]
)
REDACTOR = Redactor({"DEPLOY_KEY": KNOWN, "LINES": LINES}, b"k" * 32)
PARTS = [
    "Building 12 files\n",
    "done in 3 s. ",
    f"token {KNOWN} used\n",
    KNOWN,
    f"{SHAPED}\n",
    f"  at {SHAPED} it says\n",
    f"{LINES}\n",
    f"{PRIVATE_KEY}\n",
    "password = \\\n",
    'PASSWORD="' + random_text(14) + '"\n',
    "-----BEGIN RSA PRI" + "VATE KEY-----\nis what a key begins with\n",
    f"\x1b[32m{SHAPED[:9]}\x1b[0m{SHAPED[9:]}\n",
    f"{SHAPED[:20]}\\\n{SHAPED[20:]}\n",
    "\n",
    "ünïcode ✓\n",
]


def watch(text: str, cuts: list[int], *, is_quiet: bool = False) -> list[str]:
    """What is given out of a text that comes cut like this; each piece as the record then redacts it."""
    live = LiveText(REDACTOR)
    pieces = []
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        live.feed(text[start:end])
        pieces.append(live.take(is_quiet=is_quiet))
    pieces.append(live.finish())
    for piece in pieces:
        assert piece is None or REDACTOR.redact_text(piece.text).text == piece.clean
    return [piece.clean for piece in pieces if piece is not None]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8), st.lists(st.integers(0, 5000), max_size=30))
def test_however_a_text_is_cut_the_pieces_are_the_redacted_whole(parts, cuts):
    text = "".join(parts)
    assert "".join(watch(text, cuts)) == REDACTOR.redact_text(text).text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8), st.lists(st.integers(0, 5000), max_size=30))
def test_nothing_leaks_where_somebody_waits_for_each_word(parts, cuts):
    text = "".join(parts)
    given_out = "".join(watch(text, cuts, is_quiet=True))
    whole = REDACTOR.redact_text(text).text
    for value in (KNOWN, SHAPED, PRIVATE_KEY.split("\n")[3], LINES.split("\n")[0]):
        assert value not in whole
        assert value not in given_out


@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize(
    "value", [KNOWN, LINES, SHAPED, PRIVATE_KEY], ids=["known", "lines", "shaped", "private key"]
)
def test_a_secret_that_comes_one_character_at_a_time_is_never_given_out(value, is_quiet):
    text = f"see {value}\nand {value} there\n"
    pieces = watch(text, list(range(len(text))), is_quiet=is_quiet)
    assert "".join(pieces) == REDACTOR.redact_text(text).text
    assert value not in "".join(pieces)


@pytest.mark.parametrize("is_quiet", [False, True])
def test_no_rule_and_no_context_looks_further_than_its_line(is_quiet):
    """Each example comes one character at a time between other lines; a rule that does must be told here."""
    rng = random.Random(7)
    examples = [fill_example(example, rng) for example in EXAMPLES.values()]
    examples += [fill_context(context, rng)[0] for context in (*AGENT_CONTEXTS, *CODE_CONTEXTS)]
    for example in examples:
        text = f"before it\n{example}\nand after it\n"
        whole = REDACTOR.redact_text(text)
        pieces = watch(text, list(range(len(text))), is_quiet=is_quiet)
        if not is_quiet:
            assert "".join(pieces) == whole.text
        for found in whole.findings:
            assert text[found.source_start : found.source_end] not in "".join(pieces)


def test_a_line_is_given_out_once_it_has_ended():
    live = LiveText(REDACTOR)
    live.feed("one\ntwo")
    assert live.take().text == "one\n"
    assert live.take() is None
    assert live.finish().text == "two"


def test_the_words_of_a_line_are_given_out_where_somebody_waits():
    live = LiveText(REDACTOR)
    live.feed("Compiling the last fi")
    assert live.take() is None
    assert live.take(is_quiet=True).text == "Compiling the last "
    live.feed("les\n")
    assert live.take().text == "files\n"


@pytest.mark.parametrize(
    "line",
    ['sshpass -p "two wor', f"see {KNOWN[:10]} ", "\x1b]0;a title of many"],
    ids=["half a quoted word", "half of a known one", "half a title"],
)
def test_what_may_become_a_credential_waits_however_long(line):
    live = LiveText(REDACTOR)
    live.feed(line)
    piece = live.take(is_quiet=True)
    assert piece is None or KNOWN[:10] not in piece.text or line.endswith(" ")
    assert live.held or KNOWN[:10] in line


def test_a_secret_that_is_cut_off_by_the_end_is_left_out():
    live = LiveText(REDACTOR)
    live.feed(f"using {KNOWN[:-1]}")
    assert live.finish().clean == "using [cut off]"


def test_a_private_key_is_held_until_its_end_and_a_mention_of_one_not_for_good():
    live = LiveText(REDACTOR)
    live.feed(PRIVATE_KEY.replace("-----END RSA PRIVATE KEY-----", ""))
    assert live.take(is_quiet=True) is None
    live.feed("-----END RSA PRIVATE KEY-----\n")
    assert live.take().clean.startswith("[REDACTED:private-key#")
    live.feed("-----BEGIN RSA PRI" + "VATE KEY-----\n" + "no key follows here!\n" * 2000)
    assert live.take() is not None


def test_a_line_without_end_is_given_out_in_pieces_that_hold_no_secret():
    chooser = random.Random(4)
    words = [KNOWN if chooser.random() < 0.001 else "word" * chooser.randint(1, 9) for _ in range(40_000)]
    text = " ".join(words)
    pieces = watch(text, list(range(0, len(text), 10_000)))
    assert len(pieces) > 2
    assert "".join(pieces) == REDACTOR.redact_text(text).text


def test_memory_stays_small_however_long_the_text_is():
    live = LiveText(REDACTOR)
    for _ in range(300):
        live.feed("some line or other\n" * 500)
        live.take()
    assert len(live._text) < 4 * REDACTOR.reach
