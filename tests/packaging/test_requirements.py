"""The requirement files for people who type `pip install -r` say the same as pyproject.toml."""

from __future__ import annotations

import re

from carto import __version__
from tests.packaging.project import PYPROJECT, ROOT, modules

PROJECT = PYPROJECT["project"]


def _lines(name: str) -> list[str]:
    return (ROOT / name).read_text().splitlines()


def _requirements_of_extra(name: str) -> list[str]:
    """Resolve an extra made of other extras: an index would answer `carto[...]` with an old release."""
    found: list[str] = []
    for requirement in PROJECT["optional-dependencies"][name]:
        own_extras = re.fullmatch(r"carto\[(.+)\]", requirement)
        if own_extras:
            for extra in own_extras[1].split(","):
                found += _requirements_of_extra(extra)
        else:
            found.append(requirement)
    return found


def test_requirements_are_the_dependencies() -> None:
    assert _lines("requirements.txt") == PROJECT["dependencies"]


def test_test_requirements_are_the_test_extra() -> None:
    assert _lines("test_requirements.txt") == _requirements_of_extra("test")


def test_the_version_is_written_once() -> None:
    sources = [*modules().values(), ROOT / "setup.py", ROOT / "pyproject.toml"]
    holding = [path for path in sources if f'"{__version__}"' in path.read_text()]
    assert holding == [ROOT / "carto" / "__init__.py"]


def test_the_version_stands_in_the_changelog() -> None:
    assert f"## {__version__}" in _lines("CHANGELOG.md")
