"""What a page of the documentation asks its reader to do: save files, run Python, and see what is printed."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

_FENCE = re.compile(
    r"^```(?:\{code-block\} )?(?P<language>\w+)\n(?::caption: (?P<file>\S+)\n\n)?(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Step(NamedTuple):
    """A block of a page.

    Attributes:
        line: Where its text begins, counted from 1.
        language: What the block says it is in: ``python``, ``text``, ``sh``, ...
        text: What stands in it.
        file: The name below which the reader is to save it, or None.
        shown: The output that the page shows below it.
    """

    line: int
    language: str
    text: str
    file: str | None = None
    shown: str = ""


def steps(page: Path) -> list[Step]:
    """Give the files and the Python of a page in order; a block of ``text`` right below Python is its output."""
    text = page.read_text(encoding="utf-8")
    found: list[Step] = []
    end_of_code: int | None = None
    for match in _FENCE.finditer(text):
        if match["file"] or match["language"] == "python":
            line = text.count("\n", 0, match.start("text")) + 1
            found.append(Step(line, match["language"], match["text"], match["file"]))
            end_of_code = None if match["file"] else match.end()
        elif match["language"] == "text" and end_of_code and not text[end_of_code:match.start()].strip():
            found[-1] = found[-1]._replace(shown=match["text"])
    return found


def pages(folder: Path) -> list[Path]:
    """Give the pages of a folder that have Python on them."""
    return [page for page in sorted(folder.rglob("*.md")) if any(step.language == "python" for step in steps(page))]


def run(page: Path, step: Step, names: dict[str, Any]) -> str:
    """Do what a block asks for: write its file, or run it with the names that those before it left; give its output."""
    if step.file:
        Path(step.file).write_text(step.text, encoding="utf-8")
        return ""
    printed = io.StringIO()
    above = "\n" * (step.line - 1)  # so that an error names the line of the page
    with contextlib.redirect_stdout(printed):
        exec(compile(above + step.text, str(page), "exec"), names)
    return printed.getvalue()
