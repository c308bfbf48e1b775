"""Read the listing of carto-python 1.11.3's public names (carto_python_names.txt): one class, field or value a line."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LISTING = Path(__file__).with_name("carto_python_names.txt")


@dataclass(frozen=True)
class Function:
    """A function of a class: how it is bound (def, classmethod or staticmethod), and its parameters as text."""

    kind: str
    signature: str


@dataclass
class Class:
    """A class: what it derives from, and what it has of its own."""

    ancestors: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)


@dataclass
class Module:
    """A module: its classes and constants, and the names that it imported (with the module that they are from)."""

    classes: dict[str, Class] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)


def read_listing(path: Path = LISTING) -> dict[str, Module]:
    """Read the modules of the listing, by name.

    Raises:
        ValueError: There is a line of no known kind.
    """
    modules: dict[str, Module] = {}
    for line in path.read_text().splitlines():
        if line.startswith("#### "):
            modules[line.removeprefix("#### ")] = module = Module()
        elif line.startswith("class "):
            name = line.removeprefix("class ").partition("(")[0]
            module.classes[name] = described = Class()
        elif line.startswith("const "):
            name, _, value = line.removeprefix("const ").partition(" = ")
            module.constants[name] = value
        elif line.startswith("   [imported names: "):
            module.imported = _imported(line)
        elif line.startswith("   "):
            _read_member(described, line.strip())
        elif line:
            raise ValueError(f"unknown line in {path.name}: {line}")
    return modules


def _read_member(described: Class, line: str) -> None:
    label, _, rest = line.partition(" ")
    if label == "mro:":
        described.ancestors = [name for name in rest.split(" > ") if name]
    elif label == "Meta:":
        described.meta = ast.literal_eval(rest)
    elif label == "fields:":
        described.fields = dict(ast.literal_eval(rest))
    elif label == "attr":
        name, _, value = rest.partition(" = ")
        described.attributes[name] = value
    elif label in ("def", "classmethod", "staticmethod"):
        name, parenthesis, signature = rest.partition("(")
        described.functions[name] = Function(label, parenthesis + signature)
    elif line != "mro:":
        raise ValueError(f"unknown line of a class: {line}")


def _imported(line: str) -> dict[str, str]:
    """Read ``[imported names: Manager(carto.resources), re]``; what has no module in parentheses is one itself."""
    names = line.strip().removeprefix("[imported names: ").removesuffix("]")
    return {name: origin or name for name, origin in re.findall(r"(\w+)(?:\(([\w.]+)\))?", names)}
