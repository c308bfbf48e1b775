"""What a COPY statement says, read before it is sent.

The server hangs, or breaks a connection for others, on a COPY in the wrong
direction or with a second statement after it; so it never gets one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from carto.exceptions import CartoUsageException
from carto.sql.parameters import query_text

_PIECE = r"""(?xs)
    (?P<blank>\s+|--[^\r\n]*)
    |(?P<comment>/\*)
    |(?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<unclosed>['"]|\$(?:[^\W\d]\w*)?\$)
    |(?P<symbol>\d[\w.]*|.)"""
_COMMENT_EDGE = r"/\*|\*/"

_EXAMPLES = {"FROM": "COPY table (columns) FROM STDIN WITH (FORMAT csv)",
             "TO": "COPY table TO STDOUT WITH (FORMAT csv) or COPY (SELECT ...) TO STDOUT"}
_METHODS = {"FROM": "copyfrom", "TO": "copyto"}
_DIRECTIONS = {"FROM": "brings data in", "TO": "sends data out"}


class CopyStatement(NamedTuple):
    """A COPY that can be sent.

    Attributes:
        text: The statement as the server wants it: nothing before COPY and nothing after its end.
        format: The format of the data, such as ``text``, ``csv`` or ``binary``.
    """

    text: str
    format: str


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def read_copy(query: str | bytes, direction: str) -> CopyStatement:
    """Read a COPY statement, and refuse what must not be sent.

    Args:
        query: The statement, as text or as UTF-8; blanks, comments and a semicolon around it are taken off.
        direction: ``FROM`` or ``TO``: where the caller wants the data to go.

    Returns:
        The statement.

    Raises:
        CartoUsageException: It is not one COPY in this direction, over the connection.
    """
    query = query_text(query)
    tokens = _statement_tokens(query)
    if not tokens or not _is_word(tokens[0], "copy") or len(tokens) == 1:
        raise CartoUsageException(f"the query must be a COPY statement, such as {_EXAMPLES[direction]}: {query[:80]!r}")
    if any(token.text == ";" for token in tokens):
        raise CartoUsageException("the query must be one COPY statement, but there is another one after its "
                                  "semicolon: send that one on its own, with SQLClient")
    options = _after_direction(tokens, direction)
    return CopyStatement(f"COPY {query[tokens[1].start:tokens[-1].end]}", _format(tokens, options))


def without_end(query: str) -> str:
    """Take off what may stand behind a statement: blanks, comments and semicolons.

    Args:
        query: A statement.

    Returns:
        The statement, to be put into another one.

    Raises:
        CartoUsageException: A text, a name or a comment in it has no end.
    """
    tokens = _statement_tokens(query)
    return query[:tokens[-1].end] if tokens else ""


def _statement_tokens(query: str) -> list[_Token]:
    """Cut a text into tokens, without the semicolons at its end."""
    tokens = list(_tokens(query))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    return tokens


def _tokens(query: str) -> Iterator[_Token]:
    """Cut a text into PostgreSQL's tokens, without blanks and comments."""
    token, position = re.compile(_PIECE), 0
    while match := token.match(query, position):
        kind, position = str(match.lastgroup), match.end()
        if match["dollar"]:
            kind = "string"
        if kind == "comment":
            position = _end_of_comment(query, position)
        elif kind == "unclosed":
            raise CartoUsageException(f"the query has no end for what begins at {query[match.start():][:40]!r}")
        elif kind != "blank":
            yield _Token(kind, match[0], match.start(), position)


def _end_of_comment(query: str, position: int) -> int:
    """Find the end of a comment, which may hold others."""
    depth, edges = 1, re.compile(_COMMENT_EDGE)
    while depth:
        edge = edges.search(query, position)
        if edge is None:
            raise CartoUsageException("the query has a comment that does not end: write */ after it")
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position


def _after_direction(tokens: list[_Token], wanted: str) -> list[_Token]:
    """Check where the data goes, and give what follows: the options."""
    index = _index_of_direction(tokens)
    if index is None:
        raise CartoUsageException(f"the query does not say where the data goes: write {_EXAMPLES[wanted]}")
    found = tokens[index].text.upper()
    if found != wanted:
        raise CartoUsageException(f"this COPY {_DIRECTIONS[found]}: use {_METHODS[found]} for it, "
                                  f"or write {_EXAMPLES[wanted]}")
    end = tokens[index + 1] if index + 1 < len(tokens) else None
    if end is None or not _is_word(end, "stdin", "stdout"):
        raise CartoUsageException("the data can only go over the connection, not to files or programs "
                                  f"of the server: write {_EXAMPLES[wanted]}")
    return tokens[index + 2:]


def _index_of_direction(tokens: list[_Token]) -> int | None:
    depth = 0
    for index, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and _is_word(token, "from", "to") and tokens[index - 1].text != ".":
            return index
    return None


def _format(tokens: list[_Token], options: list[_Token]) -> str:
    for option, value in itertools.pairwise(options):
        if _is_word(option, "format"):
            return value.text.strip("'\"").lower()
    if _is_word(tokens[1], "binary"):  # the syntax of old: COPY BINARY table TO STDOUT WITH CSV
        return "binary"
    if any(token.text == "(" for token in options):
        return "text"
    return next((token.text.lower() for token in options if _is_word(token, "binary", "csv")), "text")


def _is_word(token: _Token, *words: str) -> bool:
    return token.kind == "word" and token.text.lower() in words
