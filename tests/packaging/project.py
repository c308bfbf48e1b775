"""The project's own files, as the packaging tests read them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules() -> dict[str, Path]:
    """Map the dotted name of every module of the package to its file."""
    return {_dotted_name(path): path for path in sorted((ROOT / "carto").rglob("*.py"))}


def _dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def copy_sources(target: Path) -> Path:
    """Copy what a release is made of, without anything that an earlier build left behind."""
    left_behind = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "secret.py")
    return Path(shutil.copytree(ROOT, target, ignore=left_behind))
