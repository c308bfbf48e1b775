"""The environment in which carto-python 1.11.3 runs, with the same versions of what it shares with ours."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".venv-carto-python"
#: carto-python needs pkg_resources, which setuptools 82 dropped, and six, which pyrestcli imports undeclared.
_OLD = ["carto==1.11.3", "six", "setuptools<82"]
_SHARED = ["requests", "urllib3", "pandas", "pyarrow"]


class NotInstallable(Exception):
    """The environment could not be made; the message says why, and what to do."""


def carto_python() -> Path | None:
    """Give the interpreter of the environment, or None when there is none that is complete."""
    python = FOLDER / "bin" / "python"
    installed = FOLDER / ".installed"
    return python if installed.exists() and installed.read_text() == _wanted_text() else None


def make_carto_python() -> Path:
    """Make the environment unless it is there.

    Raises:
        NotInstallable: PyPI was not reached, or something else went wrong.
    """
    python = carto_python()
    if python is not None:
        return python
    print(f"Installing carto-python 1.11.3 into {FOLDER.name}", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    python = FOLDER / "bin" / "python"
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_wanted()])
    _run([str(python), "-I", "-W", "ignore", "-c", "import carto.sql"])
    (FOLDER / ".installed").write_text(_wanted_text())
    return python


def _wanted() -> list[str]:
    return [*_OLD, *(f"{name}=={importlib.metadata.version(name)}" for name in _SHARED)]


def _wanted_text() -> str:
    return "\n".join([sys.version, *_wanted()])


def _run(command: list[str]) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode == 0:
        return
    reasons = [line for line in finished.stderr.splitlines() if line.strip()]
    raise NotInstallable(
        "carto-python 1.11.3, beside which ours is measured, could not be installed:\n"
        + "\n".join(f"  {line}" for line in reasons[-3:])
        + "\nIs PyPI reached from here, directly or by pip's index-url? To measure without it:"
        "\n  make bench ARGS=--without-carto-python")
