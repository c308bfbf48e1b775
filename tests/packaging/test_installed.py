"""The wheel, installed without extras on every Python found here, imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pythons import found_pythons

pytestmark = pytest.mark.slow

# The sandbox is an extra; only its package itself must be importable.
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import carto, carto.sandbox
names = [module.name for module in pkgutil.walk_packages(carto.__path__, "carto.")]
names = [name for name in names if not name.startswith("carto.sandbox.")]
for name in names:
    importlib.import_module(name)
assert sys.prefix in carto.__file__, carto.__file__
print(" ".join(names))
"""


INTERPRETERS = found_pythons()


def test_this_python_is_among_those_found() -> None:
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in INTERPRETERS


@pytest.mark.parametrize("version", INTERPRETERS)
def test_every_module_imports_without_the_extras(version: str, wheel: Path, tmp_path: Path) -> None:
    subprocess.run([INTERPRETERS[version], "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    python = str(tmp_path / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", str(wheel)]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    done = subprocess.run([python, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "carto.exceptions" in done.stdout.split()
