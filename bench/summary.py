"""What a row's samples say: medians, ratios, growth, and whether what was to be reached is reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.contest import Result
from bench.model import MEGABYTE, OURS, Reach, Sample
from bench.rounds import Spread, ratios, spread


@dataclass(frozen=True)
class Unit:
    """How the amounts of a row are written: seconds times `factor` for each `amount` are `label`."""

    amount: int
    factor: float
    label: str
    plural: str


UNITS = {
    "call": Unit(1, 1e6, "µs a call", "calls"),
    "byte": Unit(MEGABYTE, 1e3, "ms a MB", "MB"),
    "row": Unit(1000, 1e3, "ms a 1,000 rows", "thousand rows"),
    "dataset": Unit(1, 1e6, "µs a dataset", "datasets"),
    "job": Unit(1, 1, "s a job", "jobs"),
    "import": Unit(1, 1e3, "ms", "import"),
}


@dataclass(frozen=True)
class Line:
    """One contender in a row.

    Attributes:
        name: The contender.
        wall: Time a unit.
        cpu: Processor time a unit.
        ratio: Time compared with the limit's, round by round.
        peak: Most memory taken, in megabytes.
        growth: Time compared with that of a tenth of the work; None where that was not measured.
        tenth_peak: Most memory taken by a tenth of the work, in megabytes.
    """

    name: str
    wall: Spread
    cpu: float
    ratio: Spread
    peak: float
    growth: float | None
    tenth_peak: float | None


@dataclass(frozen=True)
class Outcome:
    """One thing to be reached, and what was."""

    wanted: str
    value: float
    reached: bool


@dataclass(frozen=True)
class Summary:
    """A row, as it is printed, saved and drawn."""

    key: str
    title: str
    unit: str
    amount: float
    limit: str
    lines: list[Line]
    outcomes: list[Outcome]
    failures: dict[str, str]
    rounds: int

    def line(self, name: str) -> Line | None:
        """Find a contender's line."""
        return next((line for line in self.lines if line.name == name), None)


def summarize(result: Result) -> Summary:
    """Compute a row's lines and outcomes."""
    row = result.row
    unit = UNITS[row.unit]
    lines = [_line(result, name) for name in result.samples] if row.limit in result.samples else []
    outcomes = [_outcome(reach, result) for reach in row.reaches
                if OURS in result.samples and (reach.other or OURS) in result.samples]
    rounds = max((len(result.at_full_size(name)) for name in result.samples), default=0)
    return Summary(row.key, row.title, row.unit, result.size / unit.amount, row.limit, lines, outcomes,
                   result.failures, rounds)


def as_json(summary: Summary) -> dict[str, Any]:
    """Give a summary as JSON can hold it."""
    return asdict(summary)


def from_json(saved: dict[str, Any]) -> Summary:
    """Read a summary as it was saved."""
    lines = [Line(**{**line, "wall": Spread(**line["wall"]), "ratio": Spread(**line["ratio"])})
             for line in saved["lines"]]
    return Summary(**{**saved, "lines": lines, "outcomes": [Outcome(**outcome) for outcome in saved["outcomes"]]})


def _line(result: Result, name: str) -> Line:
    unit = UNITS[result.row.unit]
    samples = result.at_full_size(name)
    scale = unit.factor * unit.amount / result.size
    tenth = result.sizes[0] if len(result.sizes) > 1 else None
    return Line(
        name,
        wall=spread([sample.wall * scale for sample in samples]),
        cpu=spread([sample.cpu * scale for sample in samples]).median,
        ratio=ratios(_times(samples, "wall"), _times(result.at_full_size(result.row.limit), "wall")),
        peak=result.peaks[name][result.size] / MEGABYTE,
        growth=ratios(_times(samples, "wall"), _times(result.samples[name][tenth], "wall")).median if tenth else None,
        tenth_peak=result.peaks[name][tenth] / MEGABYTE if tenth else None,
    )


def _outcome(reach: Reach, result: Result) -> Outcome:
    ours = _times(result.at_full_size(OURS), reach.measure)
    if reach.other:
        value = ratios(ours, _times(result.at_full_size(reach.other), reach.measure)).median
    else:
        value = spread(ours).median * 1e3 * MEGABYTE / result.size
    return Outcome(str(reach), value, value <= reach.at_most)


def _times(samples: list[Sample], measure: str) -> list[float]:
    return [getattr(sample, measure) for sample in samples]
