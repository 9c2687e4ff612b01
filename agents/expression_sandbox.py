"""The language of expressions: Jinja's, cut down, and the sandbox that it is evaluated in.

There are no statements, no calls, no attributes of objects, and only the filters and tests named here.
A name is `params.NAME`, `steps.NAME.result` (or `status`, `error`, `attempt`), `run.id` or `run.title`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as JINJA_TESTS

from agents.expression_filters import FILTERS, MAX_SIZE, ExpressionError, as_json, as_text
from audit.entries import JSON

__all__ = [
    "DEADLINE",
    "MAX_SECONDS",
    "Expression",
    "MissingValue",
    "compile_condition",
    "compile_text",
    "find_single",
    "has_braces",
]

MAX_NODES = 200
MAX_TEXT = 100_000
MAX_EXPRESSIONS = 200
MAX_DEPTH = 50
MAX_SECONDS = 2.0
OF_STEP = ("result", "status", "error", "attempt")
OF_RUN = ("id", "title")
NAMES = "params.NAME, steps.NAME.result (or status, error, attempt), run.id and run.title"
#: A name that no expression can spell, for the moment at which its evaluation must have ended.
DEADLINE = "until when"
TESTS = ("defined", "undefined", "none", "boolean", "true", "false", "number", "string", "mapping")
ALLOWED = (
    *(nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.List, nodes.Dict, nodes.Pair),
    *(nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg),
    *(nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.Keyword),
    *(nodes.Filter, nodes.Test),
)
#: What people try that is not there, in their words.
REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Call: "nothing can be called; use a filter",
    nodes.Pow: "** is not there",
    nodes.Tuple: "write a list in [ ]",
}


class MissingValue(ExpressionError):
    """An expression asks for what is not there; `name` is all of it, such as "steps.plan.result.files"."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there")
        self.name = name


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression, which begins in this `line` of its text.

    `references` are the names in it: the root, and the keys after it.
    """

    run: TemplateExpression
    references: tuple[tuple[str, tuple[str | int, ...]], ...]
    line: int

    def evaluate(self, values: Mapping[str, Any]) -> JSON:
        """Its value. Raises MissingValue and ExpressionError."""
        try:
            made = self.run(values)
            if isinstance(made, Undefined):
                raise _NotThere(made)
        except _NotThere as error:
            raise MissingValue(self._name(error.undefined, values)) from None
        except ExpressionError:
            raise
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, TemplateError) as error:
            raise ExpressionError(f"it cannot be worked out: {_explain(error)}") from None
        return as_json(made)

    def _name(self, undefined: Undefined, values: Mapping[str, Any]) -> str:
        """The whole name of what was not there: the reference that goes wrong at just that place."""
        for root, keys in self.references:
            at: object = values.get(root)
            for place, key in enumerate(keys):
                if at is undefined._undefined_obj and key == undefined._undefined_name:
                    return ".".join(map(str, [root, *keys[: place + 1]]))
                at = _look_up(at, key)
        return str(undefined._undefined_name)


class _NotThere(TemplateError):
    def __init__(self, undefined: Undefined) -> None:
        super().__init__("not there")
        self.undefined = undefined


def _explain(error: Exception) -> str:
    """In words, without the values that may stand in Python's."""
    if isinstance(error, ZeroDivisionError):
        return "a division by zero"
    if isinstance(error, TypeError):
        return "a value is not of the type that is wanted there"
    return "a value does not fit there"


class _Missing(StrictUndefined):
    """What is not there: every use of it but `default` and `is defined` says so."""

    __slots__ = ()

    def __init__(self, hint: str | None = None, obj: Any = None, name: Any = None, **_: Any) -> None:
        super().__init__(hint, obj, name, exc=self._raise)  # type: ignore[arg-type]

    def _raise(self, message: str) -> Exception:
        return _NotThere(self)


_ABSENT = object()


def _look_up(place: object, key: object) -> object:
    """What stands under a key of an object or at a place of a list or text; `_ABSENT` if nothing does."""
    if isinstance(place, Mapping) and isinstance(key, str):
        return place.get(key, _ABSENT)
    if isinstance(place, list | tuple | str) and isinstance(key, int) and not isinstance(key, bool):
        return place[key] if -len(place) <= key < len(place) else _ABSENT
    return _ABSENT


class _Generator(CodeGenerator):
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.concatenate(context, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Environment(ImmutableSandboxedEnvironment):
    """Looks only into JSON, calls only the filters, and asks at each of them whether time is up."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, _Missing):
            return obj[argument]
        found = _look_up(obj, argument)
        return self.undefined(obj=obj, name=argument) if found is _ABSENT else _bounded(found)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        raise ExpressionError("nothing can be called")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _keep_time(context)
        if operator == "+" and type(left) is type(right) and isinstance(left, str | list):
            if len(left) + len(right) > MAX_SIZE:
                raise ExpressionError(f"it would come to more than {MAX_SIZE:,} characters")
        elif not (_is_number(left) and _is_number(right)):
            raise _refuse_use(left, right) or ExpressionError(f"{operator} works on two numbers")
        return _bounded(super().call_binop(context, operator, left, right))

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if not _is_number(arg):
            raise _refuse_use(arg) or ExpressionError(f"{operator} works on a number")
        return super().call_unop(context, operator, arg)

    def concatenate(self, context: Context, parts: tuple[Any, ...]) -> str:
        _keep_time(context)
        for part in parts:
            if isinstance(part, Undefined):
                raise _NotThere(part)
        texts = [as_text(part) for part in parts]
        return str(_bounded("".join(texts)))


def _refuse_use(*values: Any) -> _NotThere | None:
    """The error of the first of these that is not there."""
    return next((_NotThere(value) for value in values if isinstance(value, Undefined)), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bounded(value: Any) -> Any:
    if isinstance(value, str | list | dict) and len(value) > MAX_SIZE:
        raise ExpressionError(f"a value has more than {MAX_SIZE:,} characters")
    return as_json(value) if _is_number(value) else value


def _keep_time(context: Context) -> None:
    if time.monotonic() > context[DEADLINE]:
        raise ExpressionError(f"it takes more than {MAX_SECONDS:g} seconds")


def _make_filter(name: str, function: Callable[..., object]) -> Callable[..., object]:
    @pass_context
    @wraps(function)
    def filtered(context: Context, value: Any, *args: Any, **kwargs: Any) -> object:
        _keep_time(context)
        if missing := _refuse_use(value, *args, *kwargs.values()):
            raise missing
        try:
            return _bounded(function(_bounded(value), *args, **kwargs))
        except ExpressionError as error:
            raise ExpressionError(f"{name}: {error}") from None

    return filtered


def _default(value: Any, fallback: Any = "") -> Any:
    """The value, or the other where it is not there or nothing."""
    return fallback if value is None or isinstance(value, Undefined) else value


def _make_environment() -> _Environment:
    environment = _Environment(
        # Only {{ and {% mean something; in shell and Markdown {# is common.
        comment_start_string="{\0#",
        comment_end_string="#\0}",
        undefined=_Missing,
        keep_trailing_newline=True,
        optimized=False,
        cache_size=0,
    )
    environment.globals.clear()
    environment.filters = {name: _make_filter(name, function) for name, function in FILTERS.items()}
    environment.filters["default"] = _default
    environment.tests = {name: JINJA_TESTS[name] for name in TESTS}
    return environment


_ENVIRONMENT = _make_environment()


def has_braces(text: str) -> bool:
    """Whether there is anything in a text that is not just text."""
    return "{{" in text or "{%" in text


@lru_cache(maxsize=1_000)
def compile_text(text: str) -> tuple[str | Expression, ...]:
    """A text as its pieces of text and its expressions. Raises ExpressionError."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"a text with expressions has at most {MAX_TEXT:,} characters")
    template = _read(lambda: _ENVIRONMENT.parse(text))
    pieces: list[nodes.Expr] = []
    for output in template.body:
        if not isinstance(output, nodes.Output):
            raise _at(output.lineno, ExpressionError("only {{ }} may stand here, no {% %}"))
        pieces += output.nodes
    if sum(not isinstance(piece, nodes.TemplateData) for piece in pieces) > MAX_EXPRESSIONS:
        raise ExpressionError(f"a text has at most {MAX_EXPRESSIONS} expressions")
    return tuple(piece.data if isinstance(piece, nodes.TemplateData) else _compile(piece) for piece in pieces)


@lru_cache(maxsize=1_000)
def compile_condition(condition: str) -> Expression:
    """A condition, in braces or not. Raises ExpressionError."""
    if has_braces(condition):
        whole = find_single(compile_text(condition))
        if whole is None:
            raise ExpressionError("a condition is one expression: write it without {{ }}")
        return whole
    if len(condition) > MAX_TEXT:
        raise ExpressionError(f"a condition has at most {MAX_TEXT:,} characters")

    def parse() -> nodes.Expr:
        parser = Parser(_ENVIRONMENT, condition, state="variable")
        parsed = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("something stands after the expression", 1)
        return parsed

    return _compile(_read(parse))


def _read[T](parse: Callable[[], T]) -> T:
    try:
        return parse()
    except TemplateSyntaxError as error:
        raise _at(error.lineno, ExpressionError(f"it cannot be read: {error.message}")) from None
    except (RecursionError, MemoryError):
        raise ExpressionError("it is nested too deep") from None
    except ValueError:
        raise ExpressionError("it cannot be read: a number in it is too long") from None


def _at(line: int, error: ExpressionError) -> ExpressionError:
    error.line = line
    return error


def find_single(parts: tuple[str | Expression, ...]) -> Expression | None:
    """The one expression that is all there is beside white space."""
    told = [part for part in parts if isinstance(part, Expression) or part.strip()]
    return told[0] if len(told) == 1 and isinstance(told[0], Expression) else None


def _compile(expression: nodes.Expr) -> Expression:
    try:
        _refuse_forbidden(expression)
        references = tuple(_find_references(expression))
        for root, keys in references:
            _refuse_unknown_name(root, keys)
    except ExpressionError as error:
        raise _at(expression.lineno, error) from None
    expression.set_environment(_ENVIRONMENT)
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)]
    template = _ENVIRONMENT.from_string(nodes.Template(body, lineno=1))
    made = TemplateExpression(template, undefined_to_none=False)
    return Expression(made, references, expression.lineno)


def _refuse_forbidden(expression: nodes.Expr) -> None:
    """Raise ExpressionError for a node that is not allowed, and for too many of them or too deep ones."""
    waiting: list[tuple[nodes.Node, int]] = [(expression, 1)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise ExpressionError("it is too long; do it in several steps")
        if not isinstance(node, ALLOWED):
            raise ExpressionError(REFUSED.get(type(node), "it uses what is not there in expressions"))
        if isinstance(node, nodes.Const):
            as_json(node.value)
        if isinstance(node, nodes.CondExpr) and node.expr2 is None:
            raise ExpressionError("an “if” needs its “else”")
        if isinstance(node, nodes.Filter | nodes.Test):
            _refuse_unknown(node)
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


def _refuse_unknown_name(root: str, keys: tuple[str | int, ...]) -> None:
    whole = ".".join(map(str, [root, *keys]))
    if root == "steps" and keys:
        if len(keys) == 1 or keys[1] not in OF_STEP:
            raise ExpressionError(
                f"“{whole}”: of a step there are {', '.join(OF_STEP)}, as in steps.plan.result; "
                'a name with - stands in brackets, as in steps["my-plan"].result'
            )
    elif not (root == "params" and keys) and not (root == "run" and keys and keys[0] in OF_RUN):
        raise ExpressionError(f"“{whole}” is no name; there are {NAMES}")


def _refuse_unknown(node: nodes.Filter | nodes.Test) -> None:
    known, word = (
        (_ENVIRONMENT.filters, "filter") if isinstance(node, nodes.Filter) else (_ENVIRONMENT.tests, "test")
    )
    if node.name not in known:
        raise ExpressionError(f"there is no {word} “{node.name}”; there are {', '.join(sorted(known))}")
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise ExpressionError("* and ** before an argument are not there")


def _find_references(node: nodes.Node) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Each name in an expression with the keys that stand after it, up to the first that is worked out."""
    keys: list[str | int] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getattr):
            keys.insert(0, node.attr)
        elif isinstance(node.arg, nodes.Const):
            keys.insert(0, node.arg.value)
        else:
            yield from _find_references(node.arg)
            keys.clear()
        node = node.node
    if isinstance(node, nodes.Name):
        yield node.name, tuple(keys)
        return
    for child in node.iter_child_nodes():
        yield from _find_references(child)
