# SPDX-License-Identifier: MIT
"""The little language of bench/claims.toml: arithmetic over metrics, conditions over figures.

Two grammars, both read with Python's own parser and nothing else allowed through:

 - a *value*: numbers, + - * /, parentheses, `name.metric`, and largest(), smallest(), total()
   of one `name.metric` that stands for several cases;
 - a *condition*: figures compared with numbers, and/or between comparisons; or "otherwise".

A value is worked out round by round by its caller. A condition is three-valued: a figure with
an interval satisfies `>= 3` surely, surely not, or neither (None) where 3 lies inside.
"""
from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

REDUCERS: dict[str, Callable[[Sequence[float]], float]] = {
    "largest": max,
    "smallest": min,
    "total": sum,
}
OTHERWISE = "otherwise"
Truth = Optional[bool]


class ExpressionError(ValueError):
    """What is wrong with an expression, in words."""


@dataclass(frozen=True)
class Span:
    """A figure as a condition sees it: all that it may truly be."""

    low: float
    high: float


def parse_value(text: str) -> ast.expr:
    tree = _parse(text)
    _check_value(tree)
    return tree


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"{text!r}: {error.msg}") from None


def _number(node: ast.expr) -> float | None:
    known = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return float(node.value) if known else None  # type: ignore[attr-defined]


def _check_value(node: ast.expr) -> None:
    if _number(node) is not None or _operand(node) is not None:
        return
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)
    ):
        _check_value(node.left)
        _check_value(node.right)
    elif not _is_reduction(node):
        raise ExpressionError(f"{ast.unparse(node)!r} is no value")


def _operand(node: ast.expr) -> tuple[str, str] | None:
    """(name, metric) of name.metric."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id, node.attr
    return None


def _is_reduction(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in REDUCERS
        and len(node.args) == 1
        and not node.keywords
        and _operand(node.args[0]) is not None
    )


def operands(node: ast.expr) -> Iterator[tuple[str, str]]:
    """Every name.metric in a value."""
    for part in ast.walk(node):
        found = _operand(part) if isinstance(part, ast.expr) else None
        if found is not None:
            yield found


def evaluate(
    node: ast.expr, values: Mapping[tuple[str, str], Sequence[float]]
) -> float | None:
    """The value in one round; None where it divides by zero."""
    found = _number(node)
    if found is not None:
        return found
    operand = _operand(node)
    if operand is not None:
        several = values[operand]
        if len(several) != 1:
            raise ExpressionError(f"{ast.unparse(node)} is {len(several)} cases: reduce it")
        return several[0]
    if isinstance(node, ast.Call):
        return REDUCERS[node.func.id](  # type: ignore[attr-defined]
            values[_operand(node.args[0])]  # type: ignore[index]
        )
    assert isinstance(node, ast.BinOp)
    left, right = evaluate(node.left, values), evaluate(node.right, values)
    return None if left is None or right is None else _apply(node.op, left, right)


def _apply(operator: ast.operator, left: float, right: float) -> float | None:
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.Mult):
        return left * right
    return left / right if right != 0 else None


def parse_condition(text: str) -> ast.expr:
    tree = _parse(text)
    if not (isinstance(tree, ast.Name) and tree.id == OTHERWISE):
        _check_condition(tree)
    return tree


def _check_condition(node: ast.expr) -> None:
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            _check_condition(part)
    elif not (
        isinstance(node, ast.Compare)
        and len(node.ops) == 1
        and isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq))
        and isinstance(node.left, ast.Name)
        and _number(node.comparators[0]) is not None
    ):
        raise ExpressionError(f"{ast.unparse(node)!r} is no condition")


def condition_figures(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} - {OTHERWISE}


def holds(node: ast.expr, figures: Mapping[str, Span]) -> Truth:
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.BoolOp):
        parts = [holds(part, figures) for part in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    assert isinstance(node, ast.Compare) and isinstance(node.left, ast.Name)
    bound = _number(node.comparators[0])
    assert bound is not None
    return _compare(node.ops[0], figures[node.left.id], bound)


def _compare(operator: ast.cmpop, span: Span, bound: float) -> Truth:
    if isinstance(operator, ast.Eq):
        if span.low == span.high == bound:
            return True
        return False if bound < span.low or bound > span.high else None
    if isinstance(operator, (ast.Gt, ast.LtE)):
        above: Truth = span.low > bound or (None if span.high > bound else False)
        return above if isinstance(operator, ast.Gt) else _negate(above)
    at_least: Truth = span.low >= bound or (None if span.high >= bound else False)
    return at_least if isinstance(operator, ast.GtE) else _negate(at_least)


def _negate(truth: Truth) -> Truth:
    return None if truth is None else not truth
