"""How Sphinx builds the documentation: `make html` in the folder above."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pyrestcli.fields import Field
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # what is documented is what lies beside it

import carto
from carto.resources import Resource

project = "carto"
copyright = "the carto authors"  # noqa: A001  # Sphinx's name for it
version = release = carto.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
source_suffix = {".md": "markdown"}
exclude_patterns = ["included/*"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"carto {release}"
html_copy_source = False

# In docstrings, a name in single backticks becomes a link where it is one.
default_role = "py:obj"
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "show-inheritance": True,
    # Members of private bases are shown; those of these are shown with them alone, or in their own documentation.
    "inherited-members": "Resource,AsyncResource,WarnResource,WarnAsyncResource,Manager,Field,CartoResponseException,"
    "BaseAuthClient,BaseException,RawIOBase,AuthBase,Paginator,HTMLParser,list,tuple,type,object",
}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# Types of other packages, our private ones, type variables, and names of arguments, which are no links.
_ELSEWHERE = "requests|pyrestcli|urllib3|collections|datetime|pathlib|os|io|types|typing"
_PRIVATE = r"(carto\.)?(\w+\.)*_\w+(\.\w+)*"
suppress_warnings = ["misc.highlighting_failure"]  # CartoCSS is like SCSS, but not the same
nitpick_ignore_regex = [
    (r"py:.*", rf"({_ELSEWHERE})\..*"),
    (r"py:.*", _PRIVATE),
    (r"py:class", r"Timeout|Unset|Params|Progress|Layer|Block|Response|WriteableBuffer|(carto\.\w+\.)?[A-Z]"),
    (r"py:obj", r"\w+|carto\.\w+\.[A-Z]|carto\.sandbox\.supervisor"),
]


DECLARATIONS = ("Meta", "fields", "client", "api_key_in", "resource_class", "json_collection_attribute", "paged")


def setup(app: Sphinx) -> None:
    """Adapt what autodoc shows to resources, whose fields are many and speak for themselves."""
    app.connect("autodoc-skip-member", skip_declarations)
    app.connect("autodoc-process-docstring", add_fields)
    app.connect("autodoc-process-docstring", add_constants)
    app.connect("autodoc-process-bases", replace_private_bases)


def skip_declarations(_app: Sphinx, _what: str, name: str, member: Any, skip: bool, _options: Any) -> bool | None:
    """Leave out the fields of a resource, which `add_fields` lists, and how it is declared."""
    return True if skip or name in DECLARATIONS or isinstance(member, Field) else None


def add_fields(_app: Sphinx, _what: str, _name: str, member: Any, _options: Any, lines: list[str]) -> None:
    """List the fields of a resource below its description."""
    if isinstance(member, type) and issubclass(member, Resource) and member.fields:
        names = ", ".join(f"``{field}``" for field in sorted(member.fields))
        lines += ["", f"**Fields:** {names}", ""]


def add_constants(_app: Sphinx, _what: str, _name: str, member: Any, _options: Any, lines: list[str]) -> None:
    """List the constants that a module defines below its description."""
    if isinstance(member, ModuleType) and (names := _constants(member)):
        lines += ["", "**Constants:**", ""]
        lines += [f"- ``{name} = {getattr(member, name)!r}``" for name in names]
        lines.append("")


def _constants(module: ModuleType) -> list[str]:
    """Find what is assigned in a module to a public name in capitals."""
    statements = [each for each in ast.parse(inspect.getsource(module)).body if isinstance(each, ast.Assign)]
    names = [target.id for each in statements for target in each.targets if isinstance(target, ast.Name)]
    return [name for name in names if name.isupper() and not name.startswith("_")]


def replace_private_bases(_app: Sphinx, _name: str, _member: Any, _options: Any, bases: list[Any]) -> None:
    """Show what a private base is derived from in its place, since it has no page."""
    while private := next((base for base in bases if _is_private(base)), None):
        place = bases.index(private)
        bases[place:place + 1] = [base for base in private.__bases__ if base not in bases]


def _is_private(base: Any) -> bool:
    if not isinstance(base, type) or not base.__module__.startswith("carto"):
        return False
    return any(part.startswith("_") for part in (*base.__module__.split("."), base.__name__))
