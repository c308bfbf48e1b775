"""Every Python block of the documentation runs, prints what stands below it, and draws the pictures that are shown."""

from __future__ import annotations

import contextlib
import doctest
from pathlib import Path
from typing import Any

import pytest

from tests.docs.account import data_observatory
from tests.docs.guide_steps import Step, pages, run, steps
from tests.docs.pictures import DRAWN, IMAGES, SOURCE
from tests.pictures import pixels

pytestmark = [
    pytest.mark.usefixtures("carto_com"),
    pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning"),
]

@pytest.mark.parametrize("page", pages(SOURCE), ids=lambda page: str(page.relative_to(SOURCE)))
def test_page(page: Path, names: dict[str, Any]) -> None:
    with data_observatory() if page.stem == "data_observatory" else contextlib.nullcontext():
        for step in steps(page):
            printed = run(page, step, names)
            assert _is_shown(step, printed), f"{page.name}:{step.line} printed:\n{printed}\nand shows:\n{step.shown}"
    for picture, (drawing_page, file) in DRAWN.items():
        if page == SOURCE / drawing_page:
            difference = abs(pixels(Path(file).read_bytes()) - pixels((IMAGES / picture).read_bytes())).mean()
            assert difference < 2, f"{picture} shows something else: run python -m tests.docs.pictures"


def _is_shown(step: Step, printed: str) -> bool:
    """Compare as doctest does: `...` stands for anything."""
    return doctest.OutputChecker().check_output(step.shown, printed, doctest.ELLIPSIS)


def test_the_check_refuses_other_output() -> None:
    step = Step(1, "python", "", shown="3 rows in ... s\n")
    assert _is_shown(step, "3 rows in 0.1 s\n")
    assert not _is_shown(step, "4 rows in 0.1 s\n")
    assert not _is_shown(step._replace(shown=""), "4 rows\n")
