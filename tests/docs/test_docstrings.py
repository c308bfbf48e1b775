"""Every example in a docstring of the SDK gives what stands below it, on an account with nothing in it."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import carto
from carto.sql import SQLClient
from tests.docs.account import data_observatory

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")


def _examples() -> Iterator[doctest.DocTest]:
    for info in pkgutil.walk_packages(carto.__path__, "carto."):
        if not info.name.startswith("carto.sandbox"):
            module = importlib.import_module(info.name)
            yield from filter(lambda found: found.examples, doctest.DocTestFinder().find(module))


EXAMPLES = list(_examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example: doctest.DocTest, names: dict[str, Any]) -> None:
    example.globs.update(names)
    if example.name.startswith("carto.api_keys."):
        SQLClient(names["auth_client"]).send("CREATE TABLE stores (name text)")
    report: list[str] = []
    with data_observatory() if example.name.startswith("carto.do_") else contextlib.nullcontext():
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert not report, "".join(report)


def test_the_clients_and_managers_have_examples() -> None:
    named = {example.name.rpartition(".")[2] for example in EXAMPLES}
    assert named >= {"SQLClient", "BatchSQLClient", "CopySQLClient", "DatasetManager", "FileImportJobManager",
                     "AnonymousMap", "NamedMapManager", "APIKeyManager", "KuvizManager", "UserManager", "DODataset"}
