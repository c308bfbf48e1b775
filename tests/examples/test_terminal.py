"""Tables on a terminal, in the width that there is."""

from __future__ import annotations

import sys

import pytest

from tests.examples.scripts import EXAMPLES, table_rows


def test_the_widest_column_gives_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from terminal import print_table

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    print_table(("kind", "name", "note"), [("synchronizations", "stores", "a long story " * 10), ("maps", None, "")])
    printed = capsys.readouterr().out
    assert {len(line) for line in printed.splitlines()} == {60}
    rows = table_rows(printed)
    assert [(row["kind"], row["name"]) for row in rows if row["kind"]] == [("synchronizations", "stores"), ("maps", "")]
    assert " ".join(row["note"] for row in rows).split() == ["a", "long", "story"] * 10


def test_what_an_output_cannot_show_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from terminal import run

    with pytest.raises(SystemExit, match=r"error: '\\xf8' can't be written in ascii: set PYTHONIOENCODING=utf-8"):
        run(lambda: "København".encode("ascii"))
