"""The benchmark's order and numbers, and that its rows do their work; nothing here depends on how fast that is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from bench import report
from bench.contest import Result, main_environment, run_row
from bench.model import OLD, OURS, Contender, Reach, Row, Sample, Work
from bench.rounds import Spread, order, ratios, spread
from bench.rows import all_rows
from bench.rows.copy_from import raw_socket as send_file_over_socket
from bench.rows.query import kept_urllib3
from bench.stage import Stage
from bench.summary import as_json, from_json, summarize

NAMES = ["limit", "ours", "old"]
#: They need pandas and pyarrow, which the environment of the tests lacks, or PostgreSQL, or differ in a number only.
APART = ("pandas", "pyarrow", "sandbox", "threads-5", "threads-20")


def test_every_round_has_every_contender_once() -> None:
    rounds = [order(NAMES, number) for number in range(12)]
    assert all(sorted(one) == sorted(NAMES) for one in rounds)


def test_contenders_take_turns_at_every_place() -> None:
    rounds = [order(NAMES, number) for number in range(6)]
    for place in range(3):
        assert sorted(one[place] for one in rounds) == sorted(NAMES * 2)


def test_no_contender_always_follows_the_same_other() -> None:
    rounds = [order(NAMES, number) for number in range(6)]
    followed = {(one[place], one[place + 1]) for one in rounds for place in range(2)}
    assert len(followed) == 6


def test_spread_is_the_median_between_the_quartiles() -> None:
    assert spread([5.0, 1.0, 4.0, 2.0, 3.0]) == Spread(2.0, 3.0, 4.0)
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0)


def test_ratios_are_taken_within_a_round() -> None:
    """The machine was ten times slower in the second round: no matter, since both were."""
    assert ratios([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]).median == 3.0


def test_ratios_want_as_many_rounds_of_both() -> None:
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def _row(*reaches: Reach) -> Row:
    contenders = tuple(Contender(name, _count) for name in ("limit", OURS))
    return Row("row", "Row", "byte", 20_000_000, lambda stage, size: Work(size), contenders, reaches)


def _count(work: Work) -> Callable[[], int]:
    raise NotImplementedError


def _result(*reaches: Reach) -> Result:
    result = Result(_row(*reaches), [2_000_000, 20_000_000])
    for slowness in (1.0, 5.0, 2.0):
        for name, factor in (("limit", 1.0), (OURS, 1.5)):
            result.add(name, 2_000_000, Sample(slowness * factor, 0.01, 1_000_000, 7), keep=True)
            result.add(name, 20_000_000, Sample(10 * slowness * factor, 0.04 * slowness, 2_000_000, 9), keep=True)
    return result


def test_a_summary_compares_with_the_limit() -> None:
    summary = summarize(_result())
    limit, ours = summary.lines
    assert (limit.name, limit.ratio.median) == ("limit", 1.0)
    assert (ours.name, ours.ratio.median, ours.growth) == (OURS, 1.5, 10.0)
    assert (ours.tenth_peak, ours.peak) == (1.0, 2.0)
    assert ours.wall.median == pytest.approx(1500.0)  # 30 s for 20 MB, in ms a MB
    assert ours.cpu == pytest.approx(4.0)


@pytest.mark.parametrize(("reach", "value", "reached"), [
    (Reach(1.5, "limit"), 1.5, True),
    (Reach(1.4, "limit"), 1.5, False),
    (Reach(1.0, "limit", "cpu"), 1.0, True),
    (Reach(3.0, measure="cpu"), 4.0, False),
])
def test_outcomes_say_what_is_reached(reach: Reach, value: float, reached: bool) -> None:
    [outcome] = summarize(_result(reach)).outcomes
    assert outcome.value == pytest.approx(value)
    assert outcome.reached is reached
    assert ("NOT REACHED" in report.terminal_table(summarize(_result(reach)))) is not reached


def test_who_does_less_is_told() -> None:
    result = _result()
    with pytest.raises(Exception, match=f"{OURS} did 8 where others did 9"):
        result.add(OURS, 20_000_000, Sample(0.1, 0.1, 0, 8), keep=True)


def test_a_summary_survives_being_saved() -> None:
    summary = summarize(_result(Reach(1.5, "limit")))
    assert from_json(json.loads(json.dumps(as_json(summary)))) == summary


def test_the_readme_shows_the_results_that_are_saved() -> None:
    folder = Path(report.__file__).parent
    saved = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    table = report.markdown_table(map(from_json, saved["rows"]))
    assert table in (folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


@pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")
@pytest.mark.parametrize("row", [row for row in all_rows() if not row.key.endswith(APART)], ids=lambda row: row.key)
def test_the_contenders_of_a_row_do_the_same_work(row: Row, stage: Stage) -> None:
    work = row.work(stage, max(row.size // 1000, 1))
    with mock.patch.dict(os.environ):
        results = [contender.task(work)() for contender in row.contenders if contender.name != OLD]
    counts = {result for result in results if isinstance(result, int)}
    assert len(counts) == 1 or all(isinstance(result, Sample) for result in results)


def test_a_row_is_measured_in_processes_of_its_contenders(stage: Stage) -> None:
    row = next(row for row in all_rows() if row.key == "copyto-stream")
    result = run_row(row, stage, main_environment(), rounds=2, part=0.001)
    assert result.failures == {}
    assert set(result.samples) == {row.limit, OURS}
    for name in result.samples:
        assert [len(result.samples[name][size]) for size in result.sizes] == [2, 2]
        assert all(sample.wall > 0 and sample.cpu > 0 for sample in result.at_full_size(name))


def test_a_contender_that_fails_does_not_stop_the_others(stage: Stage) -> None:
    contenders = (Contender("limit", kept_urllib3), Contender(OURS, send_file_over_socket))
    row = Row("row", "Row", "call", 1, lambda stage, size: Work(size, stage.small_answer()), contenders)
    result = run_row(row, stage, main_environment(), rounds=1)
    assert set(result.samples) == {"limit"}
    assert "No such file" in result.failures[OURS]
    assert f"FAILED: {OURS}" in report.terminal_table(summarize(result))


def test_a_row_whose_contenders_all_fail_has_no_numbers(stage: Stage) -> None:
    row = Row("row", "Row", "call", 1, lambda stage, size: Work(size, stage.small_answer()),
              (Contender("limit", send_file_over_socket),), (Reach(1.0, "limit"),))
    summary = summarize(run_row(row, stage, main_environment(), rounds=1))
    assert (summary.lines, summary.outcomes, list(summary.failures)) == ([], [], ["limit"])


def test_nothing_is_left_behind() -> None:
    with Stage() as stage:
        directory = stage.directory
        stage.small_answer()
        assert directory.exists()
    assert not directory.exists()
