"""The command line: python -m bench, or make bench ARGS="..."."""

from __future__ import annotations

import argparse
import fnmatch
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import environments, machine, plots, report
from bench.contest import Worker, main_environment, run_row
from bench.model import Row
from bench.rows import all_rows
from bench.stage import Stage
from bench.summary import Summary, as_json, summarize

FOLDER = Path(__file__).resolve().parent
FULL_ROUNDS, QUICK_ROUNDS = 7, 3
QUICK_PART = 0.1
DISK_BYTES = 3_000_000_000


def main() -> int:
    """Measure, print, save and draw; 1 when a contender could not do its work."""
    options = _options()
    rows = _chosen(options.rows)
    if options.list:
        print("\n".join(f"{row.key:24}{row.title}" for row in rows))
        return 0
    part = options.part or (QUICK_PART if options.quick else 1.0)
    problem = _lack_of_space(part) or _mistake(options, rows)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    found = main_environment()
    if not options.without_carto_python:
        try:
            found["carto-python"] = environments.make_carto_python()
        except environments.NotInstallable as error:
            print(error, file=sys.stderr)
            return 2
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    facts = machine.facts()
    summaries = _measure(rows, found, rounds, part)
    document = {"machine": facts, "packages": _versions(found), "rows": [as_json(row) for row in summaries]}
    folder = _save(document, summaries, options.results)
    print(f"Saved in {folder}")
    if any(summary.failures for summary in summaries):
        return 1
    if options.publish:
        publish(document, summaries)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure each row against its limit.")
    parser.add_argument("rows", nargs="*", help="names of rows, or patterns such as 'copy*'; all when none is given")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, three rounds")
    parser.add_argument("--rounds", type=int, help=f"rounds, {FULL_ROUNDS} or with --quick {QUICK_ROUNDS}")
    parser.add_argument("--part", type=float, help="part of the work to do, such as 0.01")
    parser.add_argument("--list", action="store_true", help="list the rows, measure nothing")
    parser.add_argument("--without-carto-python", action="store_true", help="do not install and measure carto-python")
    parser.add_argument("--results", type=Path, default=FOLDER / "results", help="folder for what is saved")
    parser.add_argument("--publish", action="store_true",
                        help="write bench/results.json and the table in README.md, unless a contender failed")
    return parser.parse_args()


def _chosen(patterns: Sequence[str]) -> list[Row]:
    return [row for row in all_rows() if not patterns or any(fnmatch.fnmatch(row.key, one) for one in patterns)]


def _mistake(options: argparse.Namespace, rows: Sequence[Row]) -> str:
    if not rows:
        return f"No row is named {' or '.join(options.rows)}: --list shows their names"
    if (options.rounds is not None and options.rounds < 1) or (options.part is not None and options.part <= 0):
        return "--rounds must be 1 or more, --part more than 0"
    return "--publish is for all rows" if options.publish and options.rows else ""


def _lack_of_space(part: float) -> str:
    folder = tempfile.gettempdir()
    needed, free = DISK_BYTES * part, shutil.disk_usage(folder).free
    return "" if free > needed else (
        f"The temporary data need {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f}: set TMPDIR to another disk")


def _measure(rows: Sequence[Row], found: Mapping[str, Path], rounds: int, part: float) -> list[Summary]:
    summaries = []
    with Stage() as stage:
        for row in rows:
            summaries.append(summarize(run_row(row, stage, found, rounds, part)))
            print(report.terminal_table(summaries[-1]), end="\n\n", flush=True)
    return summaries


def _versions(found: Mapping[str, Path]) -> dict[str, dict[str, str | None]]:
    versions = {}
    for name, python in found.items():
        with Worker(python, name) as worker:
            versions[name] = worker.versions(machine.PACKAGES)
    return versions


def _save(document: dict[str, Any], summaries: Sequence[Summary], folder: Path) -> Path:
    folder = folder / time.strftime("%Y-%m-%d-%H%M%S")
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    for summary in summaries:
        if summary.lines:
            plots.draw(summary, folder / f"{summary.key}.png")
    return folder


def publish(document: dict[str, Any], summaries: Sequence[Summary]) -> None:
    """Make these results the ones that the repository shows."""
    (FOLDER / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    about = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    versions = "; ".join(
        f"{name}: {', '.join(f'{package} {version}' for package, version in packages.items() if version)}"
        for name, packages in document["packages"].items())
    report.replace_results(FOLDER / "README.md", f"Machine: {about}.\nVersions: {versions}.\n\n"
                           f"{report.markdown_table(summaries)}")


if __name__ == "__main__":
    sys.exit(main())
