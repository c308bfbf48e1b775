"""What the pages of the documentation, and the README, name is there; and what is there, they name."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from carto.sandbox.faults import KINDS
from tests.conftest import PROJECT_ROOT
from tests.docs.pictures import SOURCE

EXAMPLES = PROJECT_ROOT / "examples"
SANDBOX_PAGE = (SOURCE / "sandbox.md").read_text(encoding="utf-8")


def test_the_examples_are_shown() -> None:
    shown = "\n".join(page.read_text(encoding="utf-8") for page in (SOURCE / "examples").glob("*.md"))
    files = [path for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sql", ".ipynb")]
    assert len(files) > 30
    assert [path.name for path in files if path.name not in shown] == []


def test_the_page_about_the_code_names_what_is_there() -> None:
    text = (SOURCE / "code.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:carto|tests|bench|\.ci)(?:/[\w.]+)*)`", text)
    assert len(named) > 15
    assert [path for path in named if not (PROJECT_ROOT / path).exists()] == []


def test_the_readme_leads_somewhere() -> None:
    text = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    headings = {re.sub(r"\W+", "-", heading.lower()) for heading in re.findall(r"^(.+)\n=+$", text, re.MULTILINE)}
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert len(targets) > 5
    lost = [target for target in targets
            if not (target[1:] in headings if target.startswith("#") else (PROJECT_ROOT / target).is_file())]
    assert lost == []


def test_every_option_of_the_sandbox_is_explained() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "carto.sandbox", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"(?<= )--[a-z-]+", shown.partition("options:")[2])) - {"--help"}
    assert len(options) > 5
    assert [option for option in options if f"| `{option}" not in SANDBOX_PAGE] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_explained(kind: str) -> None:
    first_cells = re.findall(r"^\| (`[^|]*`) \|", SANDBOX_PAGE, re.MULTILINE)
    assert any(f"`{kind}`" in cell for cell in first_cells)
