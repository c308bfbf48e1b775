"""Test which Python the commands of the Makefile run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def commands_of(*arguments: str, **environment: str) -> str:
    """Give the commands that make would run, with nothing of the environment that decides which Python that is."""
    decisive = ("PYTHON", "VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    others = {name: value for name, value in os.environ.items() if name not in decisive}
    done = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=ROOT, env=others | environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_documentation_is_built_by_the_environment_that_was_prepared() -> None:
    assert "../.venv/bin/python -m sphinx" in commands_of("docs")
    assert "../.venv/bin/python -m sphinx" in commands_of("docs", VIRTUAL_ENV="/somewhere")


def test_documentation_is_built_by_an_environment_that_is_active() -> None:
    assert "\npython3 -m sphinx" in commands_of("-C", "doc", "html", VIRTUAL_ENV="/somewhere")
