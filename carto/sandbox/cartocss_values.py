"""The values of CartoCSS properties: numbers, colours, texts, columns, and sums of them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carto.sandbox.cartocss_properties import Kind, Property
from carto.sandbox.cartocss_scanner import InvalidCode
from carto.sandbox.css_colors import Color

MAX_TEXT = 10_000
"""Characters of a text or an expression that is put together."""


@dataclass(frozen=True)
class Keyword:
    """A bare word."""

    word: str


@dataclass(frozen=True)
class Expression:
    """Something computed from columns of each feature, in Mapnik's language."""

    text: str


@dataclass(frozen=True)
class Url:
    """An image on another server."""

    url: str


Value = float | str | Color | Keyword | Expression | Url
"""A single value; `str` is a text in quotes."""


class ValueProblem(InvalidCode):
    """A value that a property can't have; the message says what it takes."""


def number_text(number: float) -> str:
    """Write a number as Mapnik reads it.

    Raises:
        ValueProblem: It is infinite.
    """
    if not math.isfinite(number):
        raise ValueProblem("the number is too large")
    return str(int(number)) if number == int(number) else repr(number)


def text_literal(text: str) -> str:
    """Write a text as a literal of Mapnik's expressions."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def as_expression(value: Value) -> str:
    """Write a value as an operand of Mapnik's expressions.

    Raises:
        ValueProblem: Mapnik can't compute with it.
    """
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, (int, float)):
        return number_text(value)
    raise ValueProblem("only numbers, texts and columns can be computed with")


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def computed(left: Value, sign: str, right: Value) -> Value:
    """Apply an operator to two values.

    Args:
        left: First operand.
        sign: One of `+`, `-`, `*`, `/`.
        right: Second operand.

    Raises:
        ValueProblem: They are not numbers, texts or columns, the divisor is zero, or the result is too long.
    """
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        if sign == "/" and right == 0:
            raise ValueProblem("division by zero")
        return _ARITHMETIC[sign](left, right)
    if isinstance(left, str) and isinstance(right, str) and sign == "+":
        return _checked(left + right)
    return Expression(_checked(f"({as_expression(left)} {sign} {as_expression(right)})"))


def _checked(text: str) -> str:
    """Stop variables that double the text with every step."""
    if len(text) > MAX_TEXT:
        raise ValueProblem(f"the text or expression is longer than {MAX_TEXT} characters")
    return text


def attribute_value(target: Property, values: Sequence[Value]) -> str | Url:
    """Write what a property was given as the value of its attribute in Mapnik's XML.

    Args:
        target: The property.
        values: The values between the commas.

    Raises:
        ValueProblem: It takes something else.
    """
    if target.kind == "numbers":
        return _numbers(values)
    if len(values) != 1:
        raise ValueProblem("a single value is required")
    if isinstance(values[0], Expression) and target.kind in ("number", "opacity", "color", "label"):
        return values[0].text
    return _WRITERS[target.kind](target, values[0])


def _numbers(values: Sequence[Value]) -> str:
    numbers = [value for value in values if isinstance(value, (int, float)) and value >= 0]
    if len(numbers) != len(values):
        raise ValueProblem("numbers from 0 on, with commas between, are required")
    return ", ".join(number_text(number) for number in numbers)


def _number(_target: Property, value: Value) -> str:
    if isinstance(value, (int, float)):
        return number_text(value)
    raise ValueProblem("a number is required")


def _opacity(_target: Property, value: Value) -> str:
    if isinstance(value, (int, float)) and 0 <= value <= 1:
        return number_text(value)
    raise ValueProblem("a number from 0 to 1 is required")


def _boolean(_target: Property, value: Value) -> str:
    if isinstance(value, Keyword) and value.word in ("true", "false"):
        return value.word
    raise ValueProblem("true or false is required")


def _color(_target: Property, value: Value) -> str:
    if isinstance(value, Color):
        return str(value)
    raise ValueProblem("a color is required")


def _keyword(target: Property, value: Value) -> str:
    word = value.word if isinstance(value, Keyword) else value
    if isinstance(word, str) and word in target.choices:
        return word
    raise ValueProblem(f"one of {', '.join(target.choices)} is required")


def _string(_target: Property, value: Value) -> str:
    if isinstance(value, str):
        return value
    raise ValueProblem("a text in quotes is required")


def _label(_target: Property, value: Value) -> str:
    if isinstance(value, (str, int, float)):
        return as_expression(value)
    raise ValueProblem("a column in brackets or a text in quotes is required")


def _url(_target: Property, value: Value) -> Url:
    if isinstance(value, Url) and re.match("https?://", value.url):
        return value
    raise ValueProblem("url(...) with an http or https URL is required")


_WRITERS: dict[Kind, Callable[[Property, Value], str | Url]] = {
    "number": _number,
    "opacity": _opacity,
    "boolean": _boolean,
    "color": _color,
    "keyword": _keyword,
    "string": _string,
    "label": _label,
    "url": _url,
}
