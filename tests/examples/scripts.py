"""Run the examples as people do: as scripts, with the account in the environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from carto.sandbox import Sandbox

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def account_of(sandbox: Sandbox, organization: bool = False) -> dict[str, str]:
    """Give the variables with the sandbox's account, as a personal one or as a member of an organization has them."""
    account = {"CARTO_API_URL": sandbox.base_url, "CARTO_API_KEY": sandbox.api_key}
    return account | {"CARTO_ORG": sandbox.organization or "a-team"} if organization else account


def run_script(script: str, *arguments: str | Path, environment: dict[str, str] | None = None,
               cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a script of the examples, with no CARTO_ variables but those given."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("CARTO_")}
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        env=others | (environment or {}), cwd=cwd, capture_output=True, text=True, check=False)


def printed_by(script: str, *arguments: str | Path, environment: dict[str, str], cwd: Path | None = None) -> str:
    """Run a script that has to succeed in silence; give what it printed."""
    done = run_script(script, *arguments, environment=environment, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def failure_of(script: str, *arguments: str | Path, environment: dict[str, str] | None = None,
               cwd: Path | None = None) -> str:
    """Run a script that has to fail with one line; give the line without the script's name."""
    done = run_script(script, *arguments, environment=environment, cwd=cwd)
    prefix = f"{Path(script).name}: error: "
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(prefix)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix(prefix).rstrip("\n")


def table_rows(printed: str) -> list[dict[str, str]]:
    """Read the last table of an output: its rows, by column."""
    last = re.findall(r"(?:^[+|].*\n?)+", printed, re.MULTILINE)[-1]
    lines = [line for line in last.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def rows_of(sandbox: Sandbox, query: str) -> list[dict[str, Any]]:
    """Ask the account for rows, without the SDK."""
    answer = requests.post(
        f"{sandbox.base_url}api/v2/sql", data={"q": query, "api_key": sandbox.api_key}, timeout=60)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def bytes_in(size: str) -> float:
    """Read a size such as 12.3 MB."""
    number, unit = size.split()
    return float(number) * 1024 ** ("bytes", "kB", "MB", "GB", "TB").index(unit)
