"""The Python snippets of a README, and running them one after the other."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any


def snippets(path: Path, heading: str) -> list[str]:
    """Give the code blocks below a top heading (one underlined with =), in order."""
    (section,) = re.findall(
        rf"^{re.escape(heading)}\n=+\n(.*?)(?=^[^\n]+\n===|\Z)", path.read_text(), re.MULTILINE | re.DOTALL
    )
    return re.findall(r"^```(?:python)?\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def run(code: str, names: dict[str, Any]) -> str:
    """Run a snippet with the names that it finds and leaves behind; give what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<snippet>", "exec"), names)
    return printed.getvalue()
