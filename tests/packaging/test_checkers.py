"""The type checker and the linter have nothing to say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.packaging.project import ROOT

pytestmark = pytest.mark.slow


def _output_of(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_mypy_strict() -> None:
    assert _output_of("mypy", "--strict") == ""


def test_ruff() -> None:
    assert _output_of("ruff", "check", ".") == ""
