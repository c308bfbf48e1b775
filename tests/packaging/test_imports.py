"""Imports go downwards and in no circle; the sandbox and the SDK know nothing of each other."""

from __future__ import annotations

import ast
import functools
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.packaging.project import modules

# From the bottom to the top; what is named nowhere is a module of the public API, above all of them.
LAYERS = (
    ("carto.exceptions", "carto._http"),
    ("carto.display", "carto.geometry", "carto.progress", "carto.utils"),
    ("carto.auth",),
    ("carto.fields", "carto.paginators", "carto.resources"),
    ("carto.jobs",),
    ("carto.sql",),
)

BUILT_ON_PYRESTCLI = {f"carto.{name}" for name in ("exceptions", "auth", "fields", "paginators", "resources")}

MODULES = modules()
SDK = [name for name in MODULES if not name.startswith("carto.sandbox")]
SANDBOX = [name for name in MODULES if name.startswith("carto.sandbox")]


@functools.cache
def _imports(path: Path) -> frozenset[str]:
    """Give the dotted name of everything imported, inside functions too, but not for type checkers alone."""
    nodes = set(ast.walk(ast.parse(path.read_text())))
    only_for_checkers = [block for block in nodes if _is_type_checking(block)]
    nodes.difference_update(*map(ast.walk, only_for_checkers))
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in nodes), f"{path}: a relative import"
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    others = {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return frozenset(plain | others)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _own_module(imported: str) -> str | None:
    """Give the module of ours that an import names: `carto.sql.SQLClient` is `carto.sql`."""
    if imported.split(".")[0] != "carto":
        return None
    while imported not in MODULES:
        imported = imported.rpartition(".")[0]
    return imported


def _own_imports(module: str) -> set[str]:
    return {found for imported in _imports(MODULES[module]) if (found := _own_module(imported))} - {module}


def _layer(module: str) -> int:
    if module == "carto":  # only the version
        return -1
    for height, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return height
    return len(LAYERS)


@pytest.mark.parametrize("module", SDK)
def test_imports_go_downwards(module: str) -> None:
    assert {found for found in _own_imports(module) if _layer(found) > _layer(module)} == set()


def test_imports_make_no_circle() -> None:
    try:
        TopologicalSorter({module: _own_imports(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", SANDBOX)
def test_the_sandbox_imports_nothing_of_the_sdk(module: str) -> None:
    assert _own_imports(module) <= set(SANDBOX)


@pytest.mark.parametrize("module", SDK)
def test_the_sdk_imports_nothing_of_the_sandbox(module: str) -> None:
    assert _own_imports(module).isdisjoint(SANDBOX)


@pytest.mark.parametrize("module", sorted(set(SDK) - BUILT_ON_PYRESTCLI))
def test_few_modules_import_pyrestcli(module: str) -> None:
    assert not any(imported.split(".")[0] == "pyrestcli" for imported in _imports(MODULES[module]))
