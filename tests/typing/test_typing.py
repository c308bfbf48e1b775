"""A user's type checker finds the annotations, and they say what is true."""

import importlib.resources
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USAGE = Path(__file__).with_name("usage.py")


def test_typical_use_is_typed(tmp_path):
    """Check a copy elsewhere, so that neither our settings nor our stubs are seen.

    An editable installation is invisible to mypy, so the package is found by its path, and
    followed silently, as an installed one is.
    """
    file = tmp_path / "usage.py"
    file.write_text(USAGE.read_text())
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent",
               f"--cache-dir={tmp_path}", file.name]
    checked = subprocess.run(command, cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True,
                             text=True, check=False)
    assert "error:" not in checked.stdout, checked.stdout
    assert checked.returncode == 0, checked.stdout + checked.stderr
    expected = re.findall(r"# R: (.*)", file.read_text())
    assert expected
    if not _has_types("requests"):
        expected = ["Any" if name.startswith("requests.") else name for name in expected]
    assert re.findall(r'Revealed type is "(.*)"', checked.stdout) == expected


def _has_types(package):
    """Requests brings annotations along since its release 2.34."""
    return (importlib.resources.files(package) / "py.typed").is_file()
