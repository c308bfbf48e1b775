"""Compare the installed package with carto-python's listing of names, and print as JSON what differs.

Run in a process of its own, so that nothing but the imports below has touched the package.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from carto import __version__
from carto.fields import Field
from tests.compat.general_rules import OLD_VERSION
from tests.compat.listing import Class, Function, Module, read_listing

#: Rules of the table's general part, with the names that differ by them alone.
by_rule: dict[str, list[str]] = defaultdict(list)

#: Where the names of the public API are defined; other modules only pass them on.
_OWN = ("carto.", "pyrestcli.")
#: Modules whose names others imported to build on; scripts import them from there.
_BUILDING_BLOCKS = ("carto.fields", "carto.paginators", "carto.resources", "pyrestcli.fields", "pyrestcli.resources")
_REQUIRED = inspect.Parameter.empty


class Difference(NamedTuple):
    """What carto-python has under a name, and what we have: nothing, where the text is empty."""

    name: str
    theirs: str
    ours: str


class Parameters(NamedTuple):
    """Parameters of a function: those by position with their defaults, and whether there are more of each kind."""

    positional: list[tuple[str, Any]]
    keyword_only: dict[str, Any]
    takes_any_positional: bool
    takes_any_keyword: bool


def differences() -> Iterator[Difference]:
    """Compare every name of the listing."""
    for name, module in read_listing().items():
        try:
            ours = import_module(name)
        except ModuleNotFoundError as error:
            yield Difference(name, "a module", str(error))
        else:
            yield from _of_module(name, module, ours)


def _of_module(name: str, theirs: Module, ours: Any) -> Iterator[Difference]:
    for constant, value in theirs.constants.items():
        yield from _of_value(f"{name}.{constant}", value, ours, constant)
    for class_name, described in theirs.classes.items():
        found = getattr(ours, class_name, None)
        if found is None:
            yield from _missing(f"{name}.{class_name}", "a class")
        else:
            yield from _of_class(f"{name}.{class_name}", described, found)
    for imported, origin in theirs.imported.items():
        yield from _of_import(f"{name}.{imported}", origin, ours, imported)


def _of_class(name: str, theirs: Class, ours: Any) -> Iterator[Difference]:
    for ancestor in theirs.ancestors:
        if not issubclass(ours, _resolved(ancestor)):
            yield Difference(name, f"derives from {ancestor}", "does not")
    for key, value in theirs.meta.items():
        yield from _of_value(f"{name}.Meta.{key}", repr(value), ours.Meta, key)
    for field, kind in theirs.fields.items():
        yield from _of_field(f"{name}.{field}", kind, ours, field)
    for attribute, value in theirs.attributes.items():
        yield from _of_value(f"{name}.{attribute}", value, ours, attribute)
    for function, described in theirs.functions.items():
        yield from _of_function(f"{name}.{function}", described, ours, function)


def _of_value(name: str, theirs: str, owner: Any, attribute: str) -> Iterator[Difference]:
    ours = getattr(owner, attribute, None)
    if not hasattr(owner, attribute):
        yield from _missing(name, theirs)
    elif theirs == "None" and isinstance(ours, Field):
        by_rule["filled-attributes"].append(name)
    elif theirs == repr(OLD_VERSION) and ours == __version__:
        by_rule["version"].append(name)
    elif repr(ours) != theirs:
        yield from _differs(name, theirs, repr(ours))


def _of_field(name: str, theirs: str, owner: Any, field: str) -> Iterator[Difference]:
    ours = getattr(owner, field, None)
    if field not in owner.fields or ours is None:
        yield from _missing(name, theirs)
        return
    kind = type(ours).__name__ + "*" * ours.many
    of_that_type = isinstance(ours, _field_class(theirs.rstrip("*")))
    if not of_that_type or ours.many != theirs.endswith("*"):
        yield Difference(name, theirs, kind)


def _of_function(name: str, theirs: Function, owner: Any, function: str) -> Iterator[Difference]:
    if not hasattr(owner, function):
        yield from _missing(name, theirs.signature)
        return
    found = inspect.getattr_static(owner, function)
    kind = type(found).__name__ if isinstance(found, (classmethod, staticmethod)) else "def"
    plain = getattr(found, "__func__", found)
    if kind != theirs.kind:
        yield Difference(name, theirs.kind, kind)
    yield from _of_signature(name, theirs.signature, plain)


def _of_signature(name: str, theirs: str, function: Any) -> Iterator[Difference]:
    old, signature = _parsed(theirs), inspect.signature(function)
    new = _inspected(signature)
    in_place = new.positional[: len(old.positional)]
    added = [default for _, default in new.positional[len(old.positional):]] + list(new.keyword_only.values())
    made_optional = [now for was, now in zip(old.positional, in_place, strict=False)
                     if now != was and was == (now[0], _REQUIRED)]
    same = (
        [name for name, _ in in_place] == [name for name, _ in old.positional]
        and all(now in (was, *made_optional) for was, now in zip(old.positional, in_place, strict=True))
        and _REQUIRED not in added
        and (new.takes_any_positional or not old.takes_any_positional)
        and (new.takes_any_keyword or not old.takes_any_keyword)
    )
    if not same:
        yield Difference(name, theirs, _text(signature))
    elif made_optional:
        by_rule["optional-parameters"].append(name)
    elif added or new != old:
        by_rule["new-parameters"].append(name)


def _of_import(name: str, origin: str, module: Any, imported: str) -> Iterator[Difference]:
    """Compare a name that a module only imported; one that is ours has to be what it was, or derive from it."""
    is_own = origin.startswith(_OWN)
    if hasattr(module, imported):
        found = getattr(module, imported)
        if is_own and not issubclass(found, _resolved(f"{origin}.{imported}")):
            yield Difference(name, f"{origin}.{imported}", f"{found.__module__}.{found.__qualname__}")
    elif origin in _BUILDING_BLOCKS:
        by_rule["building-blocks"].append(name)
    elif is_own:
        yield from _missing(name, f"{origin}.{imported}")
    else:
        by_rule["helpers"].append(name)


def _missing(name: str, theirs: str) -> Iterator[Difference]:
    return _differs(name, theirs, "")


def _differs(name: str, theirs: str, ours: str) -> Iterator[Difference]:
    """Give a difference, but for names that were private."""
    if name.rpartition(".")[2].startswith("_"):
        by_rule["private-names"].append(name)
    else:
        yield Difference(name, theirs, ours)


def _parsed(signature: str) -> Parameters:
    """Read parameters as the listing writes them."""
    node = ast.parse(f"def f{signature}: ...").body[0]
    assert isinstance(node, ast.FunctionDef)
    arguments = node.args
    assert not arguments.kwonlyargs
    names = [each.arg for each in arguments.args]
    values = [ast.literal_eval(each) for each in arguments.defaults]
    defaults = [_REQUIRED] * (len(names) - len(values)) + values
    return Parameters(list(zip(names, defaults, strict=True)), {}, arguments.vararg is not None,
                      arguments.kwarg is not None)


def _inspected(signature: inspect.Signature) -> Parameters:
    parameters = signature.parameters.values()
    kinds = {each.kind for each in parameters}
    return Parameters(
        [(each.name, each.default) for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD],
        {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY},
        inspect.Parameter.VAR_POSITIONAL in kinds, inspect.Parameter.VAR_KEYWORD in kinds)


def _text(signature: inspect.Signature) -> str:
    bare = [each.replace(annotation=_REQUIRED) for each in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _field_class(name: str) -> Any:
    theirs = getattr(import_module("pyrestcli.fields"), name, None)
    return theirs or getattr(import_module("carto.fields"), name)


def _resolved(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(builtins if module == "builtins" else import_module(module), name)


if __name__ == "__main__":
    json.dump({"differences": list(differences()), "by_rule": by_rule}, sys.stdout)
