"""Reads CartoCSS, the language in which maps are styled: text -> blocks of properties with their conditions.

What the sandbox does not draw is refused, with the property and its place in the text. How blocks that apply to the
same feature work together is told by `carto.sandbox.cartocss_cascade`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from carto.sandbox.cartocss_filters import MATCHES, Comparison, Condition, FilterValue, zooms_that
from carto.sandbox.cartocss_properties import BACKGROUND, PROPERTIES, Property, is_known_elsewhere
from carto.sandbox.cartocss_scanner import InvalidCode, without_comments
from carto.sandbox.cartocss_sheet import Block, CartoCssError, Declaration, Problem, StyleSheet
from carto.sandbox.cartocss_value_reader import WORD, ValueReader
from carto.sandbox.cartocss_values import Keyword, Value, ValueProblem, attribute_value

__all__ = ["CartoCssError", "StyleSheet", "parse_cartocss"]

_NAME = re.compile(r"[A-Za-z_-][\w/-]*")
_FILTER_COLUMN = re.compile(r""""([^"\[\]]+)"|'([^'"\[\]]+)'|([\w:.-]+)""")
_FILTER_OPERATOR = re.compile(r"=~|!=|<=|>=|=|<|>")
_SELECTOR_START = re.compile(r"[#.\[]|::|Map\b")
_REST_OF_STATEMENT = re.compile(r"[^;{}]*;?")
_COMPUTABLE = ("number", "opacity", "color", "label")

MAX_QUOTED = 200
"""Characters of invalid code that are quoted."""

_CONSTANTS: dict[str, FilterValue] = {"true": True, "false": False, "null": None}


def parse_cartocss(text: str) -> StyleSheet:
    """Read a stylesheet.

    Args:
        text: CartoCSS. Ids and classes are those of the one layer that it styles, whatever they are.

    Raises:
        CartoCssError: It can't be read, or uses something that the sandbox does not draw.
    """
    return _Parser(without_comments(text)).sheet()


_ALWAYS = Condition()


@dataclass(frozen=True)
class _Selector:
    """What stands before a block: `#layer.class[zoom > 5]::attachment`."""

    ids: int = 0
    classes: int = 0
    filters: int = 0
    attachment: str = ""
    condition: Condition | None = _ALWAYS
    is_map: bool = False

    def with_nested(self, nested: _Selector) -> _Selector:
        """Give the selector of a block inside the block of this one."""
        return _Selector(
            self.ids + nested.ids,
            self.classes + nested.classes,
            self.filters + nested.filters,
            "/".join(filter(None, (self.attachment, nested.attachment))),
            _joined(self.condition, nested.condition),
            self.is_map or nested.is_map,
        )

    @property
    def specificity(self) -> tuple[int, int, int]:
        """What decides between two blocks that set the same property."""
        return (self.ids, self.classes, self.filters)


def _joined(one: Condition | None, other: Condition | None) -> Condition | None:
    return None if one is None or other is None else one.joined(other)


class _Parser(ValueReader):
    """A recursive descent through a stylesheet. It goes on behind mistakes, so that all of them are told at once."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._problems: list[Problem] = []
        self._blocks: list[Block] = []
        self._background: str | None = None

    def sheet(self) -> StyleSheet:
        while self.has_more():
            if self.looks_at("@"):
                self._variable_definition()
            else:
                self._block([_Selector()])
        if self._problems:
            raise CartoCssError(sorted(self._problems, key=lambda problem: problem.place))
        return StyleSheet(tuple(self._blocks), self._background)

    # Blocks and what stands before them

    def _block(self, parents: Sequence[_Selector]) -> None:
        start = self.position
        try:
            selectors = self._selectors()
            self.expect("{")
            with self.deeper():
                inside = [parent.with_nested(selector) for parent in parents for selector in selectors]
                self._add_blocks(inside, self._body(inside, start))
        except InvalidCode as error:
            self._invalid_code(start, error)

    def _body(self, selectors: Sequence[_Selector], start: int) -> list[Declaration]:
        declarations: list[Declaration] = []
        while self.has_more():
            if self.take("}"):
                return declarations
            if _SELECTOR_START.match(self.text, self.position):
                self._block(selectors)
            elif self.looks_at("@"):
                self._variable_definition()
            else:
                declarations += self._declaration(in_map=any(selector.is_map for selector in selectors))
        self._problem(start, "missing closing `}`")
        return declarations

    def _add_blocks(self, selectors: Sequence[_Selector], declarations: Sequence[Declaration]) -> None:
        for selector in selectors:
            if selector.is_map and declarations:
                self._background = str(declarations[-1].value)
            elif selector.condition is not None and declarations:
                block = Block(selector.attachment, selector.condition, selector.specificity, tuple(declarations))
                self._blocks.append(block)

    def _selectors(self) -> list[_Selector]:
        selectors = [self._selector()]
        while self.take(","):
            selectors.append(self._selector())
        return selectors

    def _selector(self) -> _Selector:
        selector = self._with_next_part(_Selector())
        while not self.looks_at("{,"):
            selector = self._with_next_part(selector)
        return selector

    def _with_next_part(self, selector: _Selector) -> _Selector:
        if selector.is_map:
            raise InvalidCode("Map stands alone")
        if self.take("#"):
            self.match(_NAME)
            return replace(selector, ids=selector.ids + 1)
        if self.take("::"):
            return replace(selector, attachment=self.match(_NAME)[0])
        if self.take("."):
            self.match(_NAME)
            return replace(selector, classes=selector.classes + 1)
        if self.take("["):
            condition = _joined(selector.condition, self._filter())
            return replace(selector, filters=selector.filters + 1, condition=condition)
        if self.match(WORD)[0] == "Map" and selector == _Selector():
            return replace(selector, is_map=True)
        raise InvalidCode("a layer is named as #name or .class")

    def _filter(self) -> Condition:
        quoted, single_quoted, bare = self.match(_FILTER_COLUMN).groups()
        operator = self.match(_FILTER_OPERATOR)[0]
        value = self._filter_value()
        self.expect("]")
        if bare != "zoom":
            return Condition(frozenset([Comparison(quoted or single_quoted or bare, operator, value)]))
        if operator == MATCHES or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidCode("zoom is compared with numbers")
        return Condition(zooms=zooms_that(operator, value))

    def _filter_value(self) -> FilterValue:
        if self.take("@"):
            value = self.variable()
            if isinstance(value, (int, float, str)):
                return value
            if isinstance(value, Keyword):
                return _CONSTANTS.get(value.word, value.word)
            raise InvalidCode("a filter compares with numbers and texts")
        if self.looks_at("'\""):
            return self.quoted()
        sign = -1 if self.take("-") else 1
        number = self.number()
        if number is not None:
            return sign * number
        word = self.match(WORD)[0]
        return _CONSTANTS.get(word, word)

    # Variables and properties

    def _variable_definition(self) -> None:
        start = self.position
        try:
            self.expect("@")
            self.match(WORD)
            self.expect(":")
            self.values()
            self._end_statement()
        except InvalidCode as error:
            self._invalid_code(start, error)

    def _declaration(self, in_map: bool) -> list[Declaration]:
        """Read one property; an empty list when it is none that is drawn."""
        start = self.position
        try:
            name = self.match(_NAME)[0]
            self.expect(":")
            target = (BACKGROUND if name == BACKGROUND.name else None) if in_map else PROPERTIES.get(name)
            if target is None:
                self._refuse(start, name)
                return []
            return self._declared(start, target)
        except InvalidCode as error:
            self._invalid_code(start, error)
            return []

    def _declared(self, start: int, target: Property) -> list[Declaration]:
        value_start = self.skip_space()
        try:
            value = attribute_value(target, [_evaluated(target, value) for value in self.values()])
            self._end_statement()
            return [Declaration(target, value, start)]
        except ValueProblem as problem:
            self._skip_statement(value_start)
            given = self.text[value_start : self.position].rstrip("; \n\r\t")
            self._problem(start, f"Invalid value for {target.name}: {given} ({problem})", target.name)
            return []

    def _end_statement(self) -> None:
        if not self.take(";") and self.has_more() and not self.looks_at("}"):
            raise InvalidCode

    # Problems

    def _refuse(self, start: int, name: str) -> None:
        self._skip_statement(start)
        if is_known_elsewhere(name):
            message = f"Unsupported rule: {name} (the sandbox draws marker-, line-, polygon- and text- properties)"
        else:
            message = f"Unrecognized rule: {name}"
        self._problem(start, message, name)

    def _invalid_code(self, start: int, error: InvalidCode) -> None:
        """Note code that makes no sense, and go on behind it."""
        self._skip_statement(start)
        code = self.text[start : self.position][:MAX_QUOTED].strip()
        self._problem(start, f"Invalid code: {code}" + (f" ({error})" if str(error) else ""))
        if self.looks_at("{"):
            self._skip_block()

    def _skip_statement(self, start: int) -> None:
        found = _REST_OF_STATEMENT.match(self.text, start)
        end = found.end() if found else start
        # A stray brace is a statement of its own.
        self.position = end if end > start else start + 1

    def _skip_block(self) -> None:
        depth = 0
        while self.has_more():
            character = self.take_character()
            depth += (character == "{") - (character == "}")
            if depth == 0:
                return

    def _problem(self, position: int, message: str, property_name: str | None = None) -> None:
        self._problems.append(Problem(self.place(position), message, property_name))


def _evaluated(target: Property, value: Value) -> Value:
    """Read a text that names columns, such as "[name]", as what it stands for where a property may be computed."""
    if not isinstance(value, str) or "[" not in value or target.kind not in _COMPUTABLE:
        return value
    try:
        return ValueReader(value).whole()
    except InvalidCode:
        raise ValueProblem("the text is no valid expression") from None
