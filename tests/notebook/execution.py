"""Run a notebook of the examples, as people do, and look at what its cells show."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from carto.sandbox import Sandbox

_OWN_FOLDERS = ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


def executed_page(notebook: Path, sandbox: Sandbox, folder: Path) -> Path:
    """Run a notebook against a sandbox, and write it into a folder as a page with everything that its cells show."""
    _execute(notebook, sandbox, folder, "html")
    return folder / f"{notebook.stem}.html"


def executed_notebook(notebook: Path, sandbox: Sandbox, folder: Path) -> ExecutedNotebook:
    """Run a notebook against a sandbox, with a folder for its files, and read what its cells show."""
    _execute(notebook, sandbox, folder, "notebook")
    return ExecutedNotebook(folder / notebook.name)


def _execute(notebook: Path, sandbox: Sandbox, folder: Path, form: str) -> None:
    own_folders = {name: str(folder / name) for name in _OWN_FOLDERS}
    account = {"CARTO_API_URL": sandbox.base_url, "CARTO_API_KEY": sandbox.api_key}
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--execute", "--to", form, "--output-dir", str(folder), str(notebook)],
        env=os.environ | own_folders | account, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


@dataclass
class Shown:
    """What a cell shows.

    Attributes:
        text: Its result as text.
        html: Its result as HTML, or nothing.
        printed: What it wrote to its output.
    """

    text: str
    html: str
    printed: str

    def table(self) -> list[list[str]]:
        """Give the cells of the table that is the HTML, row by row, its header's rows among them."""
        rows = re.findall(r"<tr[ >].*?</tr>", self.html, re.DOTALL)
        return [[unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]

    def picture(self) -> bytes:
        """Give the picture that is part of the HTML."""
        (found,) = re.findall(r'src="data:image/png;base64,([^"]+)"', self.html)
        return base64.b64decode(found)


class ExecutedNotebook:
    """A notebook that has been run."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_text(encoding="utf-8")
        cells: list[dict[str, Any]] = json.loads(self.content)["cells"]
        self._cells = [cell for cell in cells if cell["cell_type"] == "code"]

    def ending_in(self, line: str) -> Shown:
        """Find the cell by its last line."""
        (cell,) = [each for each in self._cells if "".join(each["source"]).splitlines()[-1] == line]
        data: dict[str, Any] = {}
        for output in cell["outputs"]:
            data |= output.get("data", {})
        printed = [output for output in cell["outputs"] if output["output_type"] == "stream"]
        assert all(output["name"] == "stdout" for output in printed), printed
        return Shown(*("".join(data.get(kind, "")) for kind in ("text/plain", "text/html")),
                     printed="".join("".join(output["text"]) for output in printed))
