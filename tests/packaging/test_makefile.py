"""Test which Python the commands of the Makefile run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_documentation_is_built_by_the_environment_that_was_prepared() -> None:
    commands = subprocess.run(
        ["make", "--dry-run", "docs"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout

    assert "../.venv/bin/python -m sphinx" in commands
