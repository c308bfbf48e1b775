"""JavaScript's way of writing values: number formatting, key order and JSON.stringify."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring as quote
from typing import Any

__all__ = ["NonFinite", "as_null", "as_string", "key_order", "number", "parse_float", "quote", "stringify"]

NonFinite = Callable[[float], str]
"""What JSON has for NaN and the infinities."""

_ARRAY_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,9})\Z")
_LEADING_FLOAT = re.compile(r"\s*([+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))")
_MAX_ARRAY_INDEX = 2**32 - 2


def as_null(_value: float) -> str:
    """Write a number that JSON has no form for as JSON.stringify does."""
    return "null"


def as_string(value: float) -> str:
    """Write a number that JSON has no form for as the SQL API's JSON format does."""
    if math.isnan(value):
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'


def number(value: float, non_finite: NonFinite = as_null) -> str:
    """Write a double as ECMAScript's Number::toString does.

    Args:
        value: The number.
        non_finite: What to write for NaN and the infinities.
    """
    if not math.isfinite(value):
        return non_finite(value)
    text = repr(value)
    if "e" not in text:
        return ("0" if text == "-0.0" else text[:-2]) if text.endswith(".0") else text
    return _with_javascript_exponent(text)


def _with_javascript_exponent(text: str) -> str:
    sign = "-" if text.startswith("-") else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).rstrip("0")
    point = len(whole) + int(exponent)
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def parse_float(text: str) -> float:
    """Read the number that a text begins with, as parseFloat does; NaN when there is none."""
    match = _LEADING_FLOAT.match(text)
    return float(match.group(1)) if match else math.nan


def key_order(names: Iterable[str]) -> list[str]:
    """Return the names once each, in the order in which an object's keys are listed: array indexes first."""
    unique = list(dict.fromkeys(names))
    indexes = [name for name in unique if _ARRAY_INDEX.match(name) and int(name) <= _MAX_ARRAY_INDEX]
    if not indexes:
        return unique
    indexes.sort(key=int)
    return indexes + [name for name in unique if name not in set(indexes)]


def stringify(value: Any, non_finite: NonFinite = as_null) -> str:
    """Write a parsed value as JSON.stringify does."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return number(float(value), non_finite)
    if isinstance(value, dict):
        members = (f"{quote(key)}:{stringify(value[key], non_finite)}" for key in key_order(value))
        return "{" + ",".join(members) + "}"
    return "[" + ",".join(stringify(item, non_finite) for item in value) + "]"
