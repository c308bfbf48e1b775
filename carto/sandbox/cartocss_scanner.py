"""Moves through CartoCSS: what stands at the current place of a text, and where that is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MAX_DEPTH = 50
"""How deep blocks and parentheses may be nested."""

_COMMENT = re.compile(r"""("[^"]*"|'[^']*'|url\([^)]*\))|//[^\n]*|/\*.*?\*/""", re.DOTALL)
_SPACE = re.compile(r"\s*")


class InvalidCode(Exception):
    """The text at the current place is not what may stand there; the message, if any, says why."""


@dataclass(frozen=True, order=True)
class Place:
    """A place in a text.

    Attributes:
        line: Line, counted from 1.
        column: Column in the line, counted from 1.
    """

    line: int
    column: int


def without_comments(text: str) -> str:
    """Replace comments by as much space, so that all else keeps its place."""
    return _COMMENT.sub(lambda found: found[1] or re.sub(r"[^\n]", " ", found[0]), text)


class Scanner:
    """A text without comments, and a place in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._depth = 0

    def place(self, position: int) -> Place:
        """Tell line and column of a position."""
        line_start = self.text.rfind("\n", 0, position) + 1
        return Place(self.text.count("\n", 0, position) + 1, position - line_start + 1)

    def skip_space(self) -> int:
        """Move to the next character that is no space, and return its position."""
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position
        return self.position

    def has_more(self) -> bool:
        """Move to the next character; False when there is none."""
        return self.skip_space() < len(self.text)

    def looks_at(self, characters: str) -> bool:
        """Tell whether one of some characters comes next."""
        return self.has_more() and self.text[self.position] in characters

    def take(self, token: str) -> bool:
        """Move behind a token; False when something else comes next."""
        if not self.text.startswith(token, self.skip_space()):
            return False
        self.position += len(token)
        return True

    def take_character(self) -> str:
        """Move behind the current character and return it."""
        self.position += 1
        return self.text[self.position - 1]

    def expect(self, token: str) -> None:
        """Move behind a token.

        Raises:
            InvalidCode: Something else comes next.
        """
        if not self.take(token):
            raise InvalidCode

    def take_match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Move behind what matches a pattern; None when nothing does."""
        found = pattern.match(self.text, self.skip_space())
        if found is not None:
            self.position = found.end()
        return found

    def match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Move behind what matches a pattern.

        Raises:
            InvalidCode: Nothing does.
        """
        found = self.take_match(pattern)
        if found is None:
            raise InvalidCode
        return found

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Count one more level of nesting inside.

        Raises:
            InvalidCode: It is one too many.
        """
        if self._depth >= MAX_DEPTH:
            raise InvalidCode(f"nested more than {MAX_DEPTH} levels deep")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
