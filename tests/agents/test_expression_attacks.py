"""An expression written to do harm ends soon, with an error that says why, and reaches nothing of Python."""

from __future__ import annotations

import time

import pytest

from agents.expression_filters import MAX_SIZE
from agents.expressions import ExpressionError, check, fill, holds

BIG = "x" * MAX_SIZE
VALUES = {
    "params": {
        "text": "{0.__class__}",
        "big": BIG,
        "huge": BIG * 3,
        "many": list(range(MAX_SIZE // 2)),
        "object": {"items": 1},
    },
    "steps": {},
    "run": {"id": "1", "title": "t"},
}
WALKS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ params.text.__class__ }}",
    "{{ params['__class__'] }}",
    "{{ params.text['__class__'] }}",
    "{{ params.object|map('__class__') }}",
    "{{ [params.object]|map('__class__') }}",
    "{{ params.__init__.__globals__ }}",
    "{{ params.object.values }}",
    "{{ self }}",
    "{{ self.__init__ }}",
    "{{ loop }}",
    "{{ cycler }}",
    "{{ lipsum.__globals__ }}",
    "{{ namespace }}",
    "{{ environment }}",
    "{{ context }}",
    "{{ resolve }}",
    "{{ caller() }}",
    "{{ params.text|attr('__class__') }}",
    "{{ ''['format'] }}",
    "{{ params.text|format }}",
    "{{ params.text % run }}",
    "{{ '%s' % 'x' }}",
    "{{ params|xmlattr }}",
    "{{ params.text is callable }}",
    "{% import 'os' as os %}{{ os }}",
    "{% include '/etc/passwd' %}",
    "{% for x in range(9) %}{{ x }}{% endfor %}",
    "{{ params['until when'] }}",
]
BOMBS = [
    "{{ 9 ** 9 ** 9 }}",
    "{{ 'x' * 9999999999 }}",
    "{{ [1] * 9999999999 }}",
    "{{ 9999999999 * 'x' }}",
    "{{ range(9999999999)|list }}",
    "{{ 'x'|center(9999999999) }}",
    "{{ '%9999999999d'|format(1) }}",
    "{{ 'x'|indent(9999999999) }}",
    "{{ [1]|slice(9999999999)|list }}",
    "{{ 1|round(999999999) }}",
    "{{ 1.5|round(-1) }}",
    "{{ lipsum(99999999) }}",
    "{{ params.big|replace('', params.big) }}",
    "{{ params.big|replace('x', params.big) }}",
    "{{ params.many|join(params.big) }}",
    "{{ params.big ~ params.big }}",
    "{{ params.big + params.big }}",
    "{{ params.big }}{{ params.big }}",
    "{{ [params.big, params.big] }}",
    "{{ params.huge }}",
    "{{ params.huge|length }}",
    "{{ params.many + params.many + params.many }}",
    "{{ " + " ~ ".join(["params.big"] * 60) + " }}",
    "{{ [" + ", ".join(["params.many"] * 60) + "]|to_json }}",
    "{{ " + " * ".join(["999999999"] * 60) + " }}",
    "{{ " + "9" * 90_000 + " }}",
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{{ " + "[" * 60 + "]" * 60 + " }}",
    "{{ " + "not " * 5_000 + "1 }}",
    "{{ " + "-" * 5_000 + "1 }}",
    "{{ 1" + "+1" * 20_000 + " }}",
    "{{ params" + ".a" * 20_000 + " }}",
    "{{ params.text" + "|trim" * 5_000 + " }}",
    "{{ 1 }}" * 9_000,
    "{{ 1 }}" * 20_000,
    "{{" * 40_000,
    "{{ '" + "\\" * 90_001 + " }}",
    "{{ 1e9999 }}",
    "{{ '" + "[" * 20_000 + "'|from_json }}",
    "{{ '1e999'|float }}",
    "{{ 'nan'|float }}",
    "{{ 'NaN'|from_json }}",
    "{{ '" + "9" * 20_000 + "'|int }}",
    "{{ params.many" + "|sort|reverse" * 90 + " }}",
    "{{ params.many" + "|unique" * 190 + " }}",
]


def cut(text: str) -> str:
    return text[:60]


@pytest.mark.parametrize("text", WALKS, ids=cut)
def test_no_way_leads_out_of_the_values(text):
    with pytest.raises(ExpressionError):
        fill(text, VALUES)


@pytest.mark.parametrize("text", BOMBS, ids=cut)
def test_what_would_take_long_or_much_ends_soon(text):
    before = time.thread_time()
    check(text)
    with pytest.raises(ExpressionError) as caught:
        fill(text, VALUES)
    assert len(str(caught.value)) < 500
    assert time.thread_time() - before < 10


def test_many_small_values_may_not_be_too_much_together():
    with pytest.raises(ExpressionError, match="500,000 characters"):
        fill([{"a": "{{ params.big }}"}, {"b": "{{ params.big }}"}], VALUES)


def test_time_is_counted_over_a_whole_value_and_ends_a_condition_too():
    slow = "{{ params.many" + "|sort|reverse" * 20 + "|length }}"
    with pytest.raises(ExpressionError, match="more than 2 seconds"):
        fill([slow] * 1_000, VALUES)
    with pytest.raises(ExpressionError, match="more than 2 seconds"):
        holds("params.many" + "|unique" * 40, VALUES)


def test_a_keys_look_is_that_of_a_key_and_no_method():
    assert fill("{{ params.object.items }}", VALUES) == 1
