"""Reads the values of CartoCSS: numbers, colours, texts, columns, variables, and arithmetic with them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from carto.sandbox.cartocss_scanner import InvalidCode, Scanner
from carto.sandbox.cartocss_values import Expression, Keyword, Url, Value, ValueProblem, computed
from carto.sandbox.css_colors import Color, color_from_hsl, color_from_rgb, color_from_text

WORD = re.compile(r"[A-Za-z_][\w-]*")
_VARIABLE = re.compile(r"""("[^"]*"|'[^']*')|@([\w-]+)\s*:""")
_NUMBER = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(px|%)?")
_TEXT = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_HEX_COLOR = re.compile(r"#\w+")
_URL = re.compile(r"""url\(\s*(['"]?)([^'")]*)\1\s*\)""")
_COLUMN = re.compile(r"""\[\s*(?:"([^"\[\]]+)"|([^\[\]"';{}]+?))\s*\]""")

_COLOR_FUNCTIONS: dict[str, Callable[..., Color]] = {
    "rgb": color_from_rgb,
    "rgba": color_from_rgb,
    "hsl": color_from_hsl,
    "hsla": color_from_hsl,
}


class ValueReader(Scanner):
    """A text that holds values; its variables are known from the start, and the last definition of each counts."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._variables = {found[2]: found.end() for found in _VARIABLE.finditer(text) if found[2]}
        self._known: dict[str, Value] = {}
        self._open_variables: list[str] = []

    def whole(self) -> Value:
        """Read the whole text as one value.

        Raises:
            InvalidCode: It is none.
        """
        value = self._sum()
        if self.has_more():
            raise InvalidCode
        return value

    def values(self) -> list[Value]:
        """Read the values between commas."""
        values = [self._sum()]
        while self.take(","):
            values.append(self._sum())
        return values

    def quoted(self) -> str:
        """Read a text in quotes."""
        single, double = self.match(_TEXT).groups()
        return str(single if double is None else double)

    def number(self) -> float | None:
        """Read a number without sign; None when something else comes next."""
        found = self.take_match(_NUMBER)
        if found is None:
            return None
        number = float(found[1])
        if not math.isfinite(number):
            raise InvalidCode("the number is too large")
        return number / 100 if found[2] == "%" else number

    def variable(self) -> Value:
        """Read the value of the variable whose name comes next."""
        name = self.match(WORD)[0]
        if name not in self._variables:
            raise InvalidCode(f"undefined variable @{name}")
        if name in self._open_variables:
            raise InvalidCode(f"variable @{name} is defined by itself")
        if name not in self._known:
            self._known[name] = self._value_of_variable(name)
        return self._known[name]

    def _value_of_variable(self, name: str) -> Value:
        position, self.position = self.position, self._variables[name]
        self._open_variables.append(name)
        try:
            return self._sum()
        finally:
            self._open_variables.pop()
            self.position = position

    def _sum(self) -> Value:
        value = self._product()
        while self.looks_at("+-"):
            value = computed(value, self.take_character(), self._product())
        return value

    def _product(self) -> Value:
        value = self._operand()
        while self.looks_at("*/"):
            value = computed(value, self.take_character(), self._operand())
        return value

    def _operand(self) -> Value:
        with self.deeper():
            if self.take("-"):
                return computed(0.0, "-", self._operand())
            if self.take("("):
                value = self._sum()
                self.expect(")")
                return value
            if self.take("@"):
                return self.variable()
            return self._constant()

    def _constant(self) -> Value:
        if self.looks_at("'\""):
            return self.quoted()
        if self.looks_at("["):
            quoted, bare = self.match(_COLUMN).groups()
            return Expression(f"[{quoted or bare}]")
        if self.looks_at("#"):
            return self._hex_color()
        number = self.number()
        return self._word() if number is None else number

    def _hex_color(self) -> Color:
        color = color_from_text(self.match(_HEX_COLOR)[0])
        if color is None:
            raise ValueProblem("a color has 3, 4, 6 or 8 hexadecimal digits")
        return color

    def _word(self) -> Value:
        url = self.take_match(_URL)
        if url:
            return Url(url[2].strip())
        word = self.match(WORD)[0]
        if self.take("("):
            return self._call(word)
        return color_from_text(word) or Keyword(word)

    def _call(self, name: str) -> Value:
        function = _COLOR_FUNCTIONS.get(name)
        if function is None:
            reason = "turbo-carto is not supported" if name == "ramp" else "only rgb, rgba, hsl, hsla and url are"
            raise ValueProblem(f"unsupported function {name}: {reason}")
        arguments = self.values()
        self.expect(")")
        numbers = [argument for argument in arguments if isinstance(argument, (int, float))]
        if len(numbers) != len(arguments) or len(numbers) != len(name):
            raise ValueProblem(f"{name}() takes {len(name)} numbers")
        return function(*numbers)
