"""Read the JSON that some examples take as an argument."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from terminal import fail


def json_file(path: str) -> dict[str, Any]:
    """Read an object from a file of JSON; end the script when it holds anything else.

    Args:
        path: The file.

    Returns:
        The object.
    """
    return _json_object(Path(path).read_bytes(), path)


def json_text_or_file(argument: str) -> dict[str, Any]:
    """Read an object from the argument itself, which then begins with a brace, or from the file that it names."""
    if argument.lstrip().startswith("{"):
        return _json_object(argument.encode(), "the argument")
    return json_file(argument)


def _json_object(content: bytes, source: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        fail(f"{source} is not JSON: {error}")
    if not isinstance(found, dict):
        fail(f"{source} has to hold a JSON object, not {type(found).__name__}")
    return found
