"""A picture of each row: how long everybody takes, and how much memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.model import OLD, OURS
from bench.summary import UNITS, Summary

_COLORS = {OURS: "#1785fb", OLD: "#f24440"}
_OTHER = "#9aa5b1"


def draw(summary: Summary, path: Path) -> None:
    """Draw a row into a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (times, memory) = pyplot.subplots(
        1, 2, figsize=(11, 1.4 + 0.5 * len(summary.lines)), sharey=True, width_ratios=(3, 2), layout="constrained")
    _draw_times(times, summary)
    _draw_memory(memory, summary)
    figure.suptitle(f"{summary.title}: {summary.amount:,g} {UNITS[summary.unit].plural}")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_times(axes: Any, summary: Summary) -> None:
    names = [line.name for line in summary.lines]
    walls = [line.wall for line in summary.lines]
    bars = axes.barh(
        names, [wall.median for wall in walls], color=[_COLORS.get(name, _OTHER) for name in names],
        xerr=([wall.median - wall.low for wall in walls], [wall.high - wall.median for wall in walls]), capsize=3)
    axes.bar_label(bars, [f"× {line.ratio.median:.2f}" for line in summary.lines], padding=6)
    axes.axvline(walls[0].median, color="black", linewidth=0.8, linestyle=":")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_xlabel(f"{UNITS[summary.unit].label} (median, quartiles); × {summary.limit}")


def _draw_memory(axes: Any, summary: Summary) -> None:
    for line in summary.lines:
        color = _COLORS.get(line.name, _OTHER)
        axes.plot([line.peak], [line.name], "o", color=color)
        if line.tenth_peak is not None:
            axes.plot([line.tenth_peak, line.peak], [line.name, line.name], "-", color=color, alpha=0.5)
            axes.plot([line.tenth_peak], [line.name], "o", color=color, fillstyle="none")
    axes.set_xlim(left=0)
    axes.margins(x=0.15)
    axes.set_xlabel("memory taken at most, MB (○ a tenth of the work)")
