"""What stands in braces is put in, by its type; what is not there is named."""

from __future__ import annotations

import pytest

from agents.expressions import ExpressionError, MissingValue, check, check_condition, fill, holds

VALUES = {
    "params": {"branch": "main", "count": 3, "dry": False, "items": ["a", "b"], "nested": [{"k": None}]},
    "steps": {
        "plan": {"status": "completed", "result": {"files": ["x.py", "y.py"]}, "error": "", "attempt": 2},
        "my-step": {"status": "skipped", "result": None, "error": "", "attempt": 1},
    },
    "run": {"id": "0192", "title": "Nightly"},
}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ params.count }}", 3),
        ("\n  {{ params.dry }}\n", False),
        ("{{ params.items }}", ["a", "b"]),
        ("{{ steps.plan.result }}", {"files": ["x.py", "y.py"]}),
        ("{{ steps.plan.result.files[1] }}", "y.py"),
        ("{{ steps.plan.result.files[:1] }}", ["x.py"]),
        ('{{ steps["my-step"].status }}', "skipped"),
        ("{{ params.nested[0].k }}", None),
        ("{{ run.title ~ params.count ~ params.dry }}", "Nightly3false"),
        ("{{ params.count * 2 + 1 }}", 7),
        ("{{ [params.count, {'a': params.dry}] }}", [3, {"a": False}]),
        ("{{ 'few' if params.count < 4 else 'many' }}", "few"),
        ("on {{ params.branch }}, {{ params.dry }}: {{ params.items }}", 'on main, false: ["a", "b"]'),
        ("{{ params.absent|default('x') }}", "x"),
        ("{{ steps['my-step'].result.files|default([]) }}", []),
        ("{{ params.absent is defined }}", False),
        ("{{ '{{' }} and {{ '{%' }}", "{{ and {%"),
        ("echo ${#words} }} {# no comment #}", "echo ${#words} }} {# no comment #}"),
        ("no expression\n", "no expression\n"),
        (12, 12),
    ],
)
def test_an_expression_alone_keeps_its_type_and_stands_as_text_among_text(text, made):
    assert fill(text, VALUES) == made


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("steps.plan.result.files|join(', ')", "x.py, y.py"),
        ("params.items|length", 2),
        ("params.branch|upper|replace('M', 'P')", "PAIN"),
        ("' a b '|trim|split(' ')", ["a", "b"]),
        ("['b', 'a', 'b']|unique|sort|reverse", ["b", "a"]),
        ("[1, 2.5]|sum", 3.5),
        ("[[1, 4]|max, [1, 4]|min, -4|abs]", [4, 1, 4]),
        ("2.567|round(1)", 2.6),
        ("'12'|int + '0.5'|float", 12.5),
        ("'{\"a\": [1]}'|from_json", {"a": [1]}),
        ("params.nested|to_json", '[{"k": null}]'),
        ("params.nested|map('k')", [None]),
        ("steps.plan.result|keys|first", "files"),
        ("'a\\nb'|lines|last", "b"),
        ("'abcdef'|truncate(3)", "ab…"),
        ("7|string|lower", "7"),
    ],
)
def test_each_filter_gives_what_it_says(expression, made):
    assert fill(f"{{{{ {expression} }}}}", VALUES) == made


def test_texts_are_filled_wherever_they_stand_and_keys_stay():
    given = {
        "{{ params.branch }}": ["{{ params.count }}", {"deep": "v{{ params.count }}"}],
        "n": 1,
        "b": None,
    }
    assert fill(given, VALUES) == {"{{ params.branch }}": [3, {"deep": "v3"}], "n": 1, "b": None}


def test_what_is_filled_in_is_a_copy():
    values = {"params": {"list": [1]}}
    made = fill("{{ params.list }}", values)
    assert isinstance(made, list)
    made.append(2)
    assert values["params"]["list"] == [1]


def test_a_value_with_braces_in_it_is_not_read_again():
    assert fill("{{ params.text }}", {"params": {"text": "{{ run.id }}"}}) == "{{ run.id }}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{{ params.absent }}", "params.absent"),
        ("a {{ params.branch ~ params.absent }}", "params.absent"),
        ("{{ params.absent|default(params.other) }}", "params.other"),
        ("{{ steps.plan.result.lines.first }}", "steps.plan.result.lines"),
        ("{{ steps['my-step'].result.files|length }}", "steps.my-step.result.files"),
        ("{{ params.items[7] }}", "params.items.7"),
        ("{{ params.absent == 1 }}", "params.absent"),
        ("{{ params.absent + 1 }}", "params.absent"),
        ("{{ not params.absent }}", "params.absent"),
        ("{{ 'x' in params.absent }}", "params.absent"),
        ("{{ run.id if steps.other.result else 1 }}", "steps.other"),
    ],
)
def test_what_is_not_there_is_named_in_full(text, name):
    with pytest.raises(MissingValue) as caught:
        fill(text, VALUES)
    assert caught.value.name == name
    assert str(caught.value) == f"{name} is not there"


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("", True),
        ("  ", True),
        ("params.count > 2", True),
        ("{{ params.count > 3 }}", False),
        ('steps["my-step"].status == "skipped" and not params.dry', True),
        ("params.dry", False),
        ("steps.plan.error", False),
        ("params.branch in ['main', 'next']", True),
    ],
)
def test_a_condition_holds_with_and_without_braces(condition, met):
    assert holds(condition, VALUES) is met


def test_a_condition_on_what_is_not_there_names_it():
    with pytest.raises(MissingValue, match=r"^params\.absent is not there$"):
        holds("params.absent > 1", VALUES)


def test_all_that_is_wrong_is_found_with_its_place():
    value = {
        "fine": "{{ params.branch }} {{ steps.plan.result.anything }} {{ run.id }}",
        "list": ["{{ params.brunch }}", "{{ steps.later.result }}"],
        "cut": "{{ params.branch",
        "sum": "{{ params.a }} {{ params.b }}",
    }
    problems = check(value, parameters={"branch"}, steps={"plan"})
    assert [str(problem) for problem in problems] == [
        "list.0: there is no parameter “brunch”",
        "list.1: there is no earlier step “later”",
        "cut: it cannot be read: unexpected end of template, expected 'end of print statement'.",
        "sum: there is no parameter “a”",
        "sum: there is no parameter “b”",
    ]
    assert problems[0].path == ("list", 0)


def test_any_parameter_and_step_will_do_where_none_are_named():
    assert check("{{ params.any }} {{ steps.any.error }}") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% if params.a %}x{% endif %}", "only {{ }} may stand here, no {% %}"),
        ("{% set x = 1 %}", "only {{ }} may stand here"),
        ("{% nonsense %}", "unknown tag"),
        ("{{ params }}", "“params” is no name; there are params.NAME, steps.NAME.result"),
        ("{{ run.owner }}", "“run.owner” is no name"),
        ("{{ steps.plan }}", "of a step there are result, status, error, attempt"),
        ("{{ steps.plan.output }}", "of a step there are result, status, error, attempt"),
        ("{{ steps.my-plan.result }}", r'steps\["my-plan"\].result'),
        ("{{ params.a.upper() }}", "nothing can be called; use a filter"),
        ("{{ params.a|format(1) }}", "there is no filter “format”; there are abs, default, first"),
        ("{{ params.a is callable }}", "there is no test “callable”; there are boolean, defined"),
        ("{{ 2 ** 3 }}", r"\*\* is not there"),
        ("{{ 'a' if params.a }}", "an “if” needs its “else”"),
        ("{{ 1e999 }}", "a number that is too large"),
        ("{{ }}", "it cannot be read"),
    ],
)
def test_a_wrong_expression_is_refused_when_checked_and_when_filled(text, why):
    [problem] = check(text)
    with pytest.raises(ExpressionError, match=why):
        fill(text, VALUES)
    with pytest.raises(ExpressionError, match=why):
        raise ExpressionError(problem.text)


def test_a_condition_is_checked_like_a_value_and_is_one_expression():
    assert check_condition("params.branch == 'main'", parameters={"branch"}) == []
    assert check_condition("", parameters=()) == []
    assert check_condition("{{ params.x }}", parameters={"branch"}) == ["there is no parameter “x”"]
    assert check_condition("params.x params.y") == [
        "it cannot be read: something stands after the expression"
    ]
    assert check_condition("if {{ params.x }}") == ["a condition is one expression: write it without {{ }}"]


def test_an_error_says_nothing_of_the_values():
    values = {"params": {"token": "unspeakable"}}
    for text in ("{{ params.token|int }}", "{{ params.token + 1 }}", "{{ params.token < 1 }}"):
        with pytest.raises(ExpressionError) as caught:
            fill(text, values)
        assert "unspeakable" not in str(caught.value)
