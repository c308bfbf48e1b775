"""Write summaries down: a table for the terminal, a shorter one for README.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.model import OLD, OURS
from bench.rounds import Spread
from bench.summary import UNITS, Line, Summary

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
_COLUMNS = ("", "quartiles", "× limit", "quartiles", "CPU", "memory, MB", "×10 work: time", "memory, MB")


def terminal_table(summary: Summary) -> str:
    """Write all that is known of a row."""
    unit = UNITS[summary.unit]
    head = f"{summary.title} — {summary.amount:,g} {unit.plural}, {summary.rounds} rounds"
    table = [("contender", unit.label, *_COLUMNS[1:]), *(_cells(line) for line in summary.lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(_aligned(cells, widths)).rstrip() for cells in table]
    lines += [f"reach: {outcome.wanted}: {outcome.value:.2f}{'' if outcome.reached else ' — NOT REACHED'}"
              for outcome in summary.outcomes]
    lines += [f"FAILED: {failure}" for failure in summary.failures.values()]
    return "\n".join([head, *(f"  {line}" for line in lines)])


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.name, _number(line.wall.median), _quartiles(line.wall), _number(line.ratio.median),
        _quartiles(line.ratio), _number(line.cpu), _number(line.peak),
        "" if line.growth is None else _number(line.growth),
        "" if line.tenth_peak is None else f"{_number(line.tenth_peak)} → {_number(line.peak)}",
    )


def markdown_table(summaries: Iterable[Summary]) -> str:
    """Write one line a row: the limit's time, and ours and carto-python's as multiples of it."""
    lines = [
        f"| row | limit | {OURS} | {OLD} | to reach | reached | memory ×1 → ×10, MB | time ×10 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_markdown_line, summaries)])


def _markdown_line(summary: Summary) -> str:
    unit = UNITS[summary.unit]
    limit, ours, old = (summary.line(name) for name in (summary.limit, OURS, OLD))
    wanted = "; ".join(outcome.wanted for outcome in summary.outcomes)
    reached = "; ".join(f"{outcome.value:.2f}{'' if outcome.reached else ' (**no**)'}" for outcome in summary.outcomes)
    cells = (
        f"{summary.title} (`{summary.key}`)",
        "" if limit is None else f"{limit.name}: {_number(limit.wall.median)} {unit.label}",
        _multiple(ours, limit), _multiple(old, limit), wanted or "—", reached or "—",
        "" if ours is None or ours.tenth_peak is None else f"{_number(ours.tenth_peak)} → {_number(ours.peak)}",
        "" if ours is None or ours.growth is None else f"× {_number(ours.growth)}",
    )
    return f"| {' | '.join(cells)} |"


def _multiple(line: Line | None, limit: Line | None) -> str:
    if line is None or limit is None:
        return "—"
    processor = f", CPU × {line.cpu / limit.cpu:.2f}" if limit.cpu else ""
    return f"× {line.ratio.median:.2f} ({line.ratio.low:.2f}–{line.ratio.high:.2f}){processor}"


def replace_results(readme: Path, text: str) -> None:
    """Put text between the marks in a file."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _quartiles(numbers: Spread) -> str:
    return f"{_number(numbers.low)}–{_number(numbers.high)}"


def _number(value: float) -> str:
    """Write three digits or more, never with an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
