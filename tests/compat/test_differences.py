"""carto-python 1.11.3 and ours, name by name and call by call: they differ in nothing but what the table says.

The table is doc/source/carto_python_differences.md. When something differs on purpose, ``python -m
tests.compat.differences`` prints the row to add; why it differs is to be added by hand.
"""

from __future__ import annotations

import re

import pytest

from tests.compat.differences import (
    Difference,
    Found,
    found_calls,
    found_names,
    recorded_of_carto_python,
    recorded_of_ours,
    rows_to_write,
    table_rows,
)
from tests.compat.general_rules import RULES
from tests.compat.listing import LISTING, read_listing


@pytest.fixture(scope="module")
def names() -> Found:
    return found_names()


@pytest.fixture(scope="module")
def calls() -> Found:
    return found_calls()


def test_names_differ_as_the_table_says(names: Found) -> None:
    assert rows_to_write(names, table_rows("Names")) == []
    assert _untrue("Names", names) == []


def test_calls_differ_as_the_table_says(calls: Found) -> None:
    assert rows_to_write(calls, table_rows("Calls")) == []
    assert _untrue("Calls", calls) == []


def _untrue(part: str, found: Found) -> list[Difference]:
    written = [Difference(name, row.theirs, row.ours) for row in table_rows(part) for name in row.names]
    return [each for each in written if each not in found.differences]


def test_every_general_rule_is_in_the_table_and_explains_something(names: Found, calls: Found) -> None:
    used = {**names.by_rule, **calls.by_rule}
    assert {row.names for row in table_rows("General")} == {(rule,) for rule in used}
    assert used.keys() >= RULES.keys()


@pytest.mark.parametrize("part", ["General", "Names", "Calls"])
def test_every_row_says_why_and_no_name_has_two(part: str) -> None:
    rows = table_rows(part)
    assert all(row.why and row.ours for row in rows)
    names = [name for row in rows for name in row.names]
    assert len(names) == len(set(names)) > 10


def test_the_same_calls_were_recorded_of_both() -> None:
    assert list(recorded_of_ours()) == list(recorded_of_carto_python())


def test_every_function_of_the_listing_is_called() -> None:
    called = {part.strip() for name in recorded_of_carto_python() for part in name.partition(":")[0].split(",")}
    functions = {
        f"{class_name}.{function}"
        for module, listed in read_listing().items() if module.startswith("carto.")
        for class_name, described in listed.classes.items() if not class_name.startswith("_DO")
        for function in described.functions if not function.startswith("_") or function.endswith("__")
    }
    assert functions - called == set()
    assert len(functions) > 100


def test_everything_of_the_listing_is_read() -> None:
    """A line that the parser passed over would be compared with nothing."""
    modules, text = read_listing(), LISTING.read_text()
    classes = [described for module in modules.values() for described in module.classes.values()]
    assert len(modules) == len(re.findall("^#### ", text, re.MULTILINE))
    assert len(classes) == len(re.findall("^class ", text, re.MULTILINE))
    assert sum(len(module.constants) for module in modules.values()) == len(re.findall("^const ", text, re.MULTILINE))
    assert sum(len(each.fields) for each in classes) == len(re.findall(r"\('\w+', '\w+\*?'\)", text))
    assert sum(len(each.functions) for each in classes) == len(
        re.findall("^   (def|classmethod|staticmethod) ", text, re.MULTILINE))
    assert sum(len(each.attributes) for each in classes) == len(re.findall("^   attr ", text, re.MULTILINE))
