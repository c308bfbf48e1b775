"""The interpreters of the supported Python versions on this machine, for the matrix and the packaging tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")


def found_pythons() -> dict[str, str]:
    """Map each supported version that is on this machine to its interpreter."""
    return {version: path for version in SUPPORTED if (path := find_python(version))}


def find_python(version: str) -> str | None:
    """Find a working interpreter: on PATH under its own name, else the newest of those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    on_path = shutil.which(f"python{version}")
    candidates = [on_path] if on_path else []
    candidates += sorted(map(str, pyenv.glob(f"{version}.*/bin/python")), reverse=True)
    return next((path for path in candidates if _is_version(path, version)), None)


def _is_version(path: str, version: str) -> bool:
    """A name on PATH may be a shim that leads nowhere, so ask the interpreter itself."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == version
