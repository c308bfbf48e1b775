"""Run the suite on every supported Python, and with the lowest and the newest versions of every dependency.

Each row of the matrix gets a virtual environment of its own under .venv-matrix, with
this project installed in it. Run it by `make test-matrix`; a row's name as an argument
(`make test-matrix ARGS=3.12-newest`) runs that one alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from pythons import SUPPORTED, found_pythons

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-matrix"
#: pyrestcli's two releases form URLs differently, and both are in use.
PYRESTCLI = ("0.6.11", "0.6.12")
#: What makes environments of its own, or is measured in one.
LEFT_OUT = ("tests/packaging", "tests/unit/test_bench.py")


@dataclass(frozen=True)
class Row:
    """One environment: an interpreter, and the versions that pip may choose from."""

    name: str
    python: str
    constraints: tuple[str, ...]


def lowest_versions() -> tuple[str, ...]:
    """Pin what the package and its extras need to its floor; what only its tests need keeps its newest version."""
    needed = [each for each in map(Requirement, requires("carto") or ()) if not _is_for_developers(each)]
    floors = {each.name: spec.version for each in needed for spec in each.specifier if spec.operator == ">="}
    return tuple(f"{name}=={version}" for name, version in floors.items())


def _is_for_developers(requirement: Requirement) -> bool:
    return any(f'extra == "{extra}"' in str(requirement.marker) for extra in ("test", "bench"))


def rows(pythons: dict[str, str]) -> Iterator[Row]:
    """List the matrix: newest on every Python, the older pyrestcli on the newest, the floors on the oldest."""
    for version, python in pythons.items():
        yield Row(f"{version}-newest", python, (f"pyrestcli=={PYRESTCLI[-1]}",))
    newest, oldest = max(pythons, key=_as_number), min(pythons, key=_as_number)
    yield Row(f"{newest}-pyrestcli-{PYRESTCLI[0]}", pythons[newest], (f"pyrestcli=={PYRESTCLI[0]}",))
    yield Row(f"{oldest}-lowest", pythons[oldest], lowest_versions())


def _as_number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def run(row: Row) -> bool:
    """Make the row's environment and run the suite in it.

    Returns:
        Whether every test passed.
    """
    environment = ENVIRONMENTS / row.name
    constraints = ENVIRONMENTS / f"{row.name}.txt"
    ENVIRONMENTS.mkdir(exist_ok=True)
    constraints.write_text("\n".join(row.constraints) + "\n")
    print(f"== {row.name}: {', '.join(row.constraints)}", flush=True)
    subprocess.run([row.python, "-m", "venv", "--clear", environment], check=True)
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-c", constraints, "-e", ".[test]"], check=True, cwd=ROOT)
    options = ["-q", "-n", "3", "--dist", "loadfile", "--fail-on-skip"]
    tests = [python, "-m", "pytest", *options, *(f"--ignore={path}" for path in LEFT_OUT)]
    return subprocess.run(tests, check=False, cwd=ROOT).returncode == 0


def main(names: list[str]) -> int:
    """Run the rows of the given names, or all of them, and print what became of each."""
    pythons = found_pythons()
    chosen = [row for row in rows(pythons) if not names or row.name in names]
    if not chosen:
        print(f"no row of that name; there are: {', '.join(row.name for row in rows(pythons))}", file=sys.stderr)
        return 2
    passed = {row.name: run(row) for row in chosen}
    for version in SUPPORTED:
        if version not in pythons:
            print(f"{version}: not on this machine")
    for name, ok in passed.items():
        print(f"{name}: {'passed' if ok else 'FAILED'}")
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
