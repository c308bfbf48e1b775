"""Templates of named maps: checking them, and filling values into their placeholders, escaped by type."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from carto.sandbox import javascript
from carto.sandbox.maps_errors import refused
from carto.sandbox.parameters import js_string

VERSION = "0.0.1"
HASH_LENGTH = 8
_NAME = re.compile(r"[a-z0-9][0-9a-z_-]*\Z", re.IGNORECASE)
_PLACEHOLDER_NAME = re.compile(r"[a-z][0-9a-z_]*\Z", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"<%=\s*([a-z][0-9a-z_]*)\s*%>", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_COLOR = re.compile(r"(?:[a-zA-Z]+|#[0-9a-fA-F]{3,6})\Z")

Template = dict[str, Any]


def checked(body: Any) -> Template:
    """Check a template that somebody wants to be kept, and fill in what it leaves out.

    Raises:
        MapsError: 400, it is none.
    """
    template = body if isinstance(body, dict) else {}
    version = template.get("version")
    if version != VERSION:
        shown = js_string(version) if "version" in template else "undefined"
        raise refused(f"Unsupported template version {shown}")
    name = template.get("name")
    if not name:
        raise refused("Missing template name")
    if not isinstance(name, str) or not _NAME.match(name):
        raise refused(f"Invalid characters in template name '{js_string(name)}'")
    _check_layergroup(template.get("layergroup"))
    placeholders = template.get("placeholders") or {}
    _check_placeholders(placeholders)
    sent = {key: value for key, value in template.items() if key not in ("api_key", "map_key", "auth", "placeholders")}
    return {"auth": _checked_auth(template.get("auth")), **sent, "placeholders": placeholders}


def hash_of(template: Template) -> str:
    """Return the digits that stand for this version of a template in tokens."""
    text = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:HASH_LENGTH]


def is_authorized(auth: Any, tokens: Collection[str]) -> bool:
    """Tell whether somebody with these tokens may see the instances of a template.

    Args:
        auth: What the template says.
        tokens: Tokens that the caller sent.
    """
    if not isinstance(auth, dict):
        return False
    if auth.get("method") == "open":
        return True
    return any(token in (auth.get("valid_tokens") or ()) for token in tokens)


def instantiated(template: Template, params: Mapping[str, Any]) -> dict[str, Any]:
    """Fill values into a template.

    Args:
        template: The template.
        params: Values of its placeholders; the rest take their defaults. ``styles`` and ``buffersize`` are special.

    Returns:
        The MapConfig.

    Raises:
        MapsError: 400, a value does not fit its placeholder.
    """
    values = {
        name: _escaped(name, placeholder["type"], params.get(name, placeholder["default"]))
        for name, placeholder in template["placeholders"].items()
    }
    config: dict[str, Any] = copy.deepcopy(template["layergroup"])
    for layer in config["layers"]:
        for option in ("sql", "cartocss"):
            text = layer["options"].get(option)
            if isinstance(text, str):
                layer["options"][option] = _filled(text, values)
    _set_buffer_sizes(config, params.get("buffersize"), values)
    _set_styles(config, params.get("styles"))
    return config


def _check_layergroup(layergroup: Any) -> None:
    if not layergroup:
        if isinstance(layergroup, dict):
            raise refused("Missing or empty layers array from layergroup config")
        raise refused("Missing layergroup")
    layers = layergroup.get("layers") if isinstance(layergroup, dict) else None
    if not isinstance(layers, list) or not layers:
        raise refused("Missing or empty layers array from layergroup config")
    bare = [
        str(index)
        for index, layer in enumerate(layers)
        if not isinstance(layer, dict) or not isinstance(layer.get("options"), dict)
    ]
    if bare:
        raise refused(f"Missing `options` in layergroup config for layers: {', '.join(bare)}")


def _check_placeholders(placeholders: Any) -> None:
    if not isinstance(placeholders, dict):
        raise refused("Placeholders are no object")
    for name, placeholder in placeholders.items():
        if not _PLACEHOLDER_NAME.match(name):
            raise refused(f"Invalid characters in placeholder name '{name}'")
        if not isinstance(placeholder, dict):
            raise refused(f"Placeholder '{name}' is no object")
        for key in ("default", "type"):
            if key not in placeholder:
                raise refused(f"Missing {key} for placeholder '{name}'")


def _checked_auth(auth: Any) -> Any:
    if not auth or not isinstance(auth, dict):
        return {"method": "open"}
    method = auth.get("method") or "open"
    if method not in ("open", "token"):
        raise refused(f"Unsupported authentication method: {js_string(method)}")
    if method == "token":
        tokens = auth.get("valid_tokens")
        if tokens is None:
            raise refused("Invalid 'token' authentication: missing valid_tokens")
        if not isinstance(tokens, list) or not tokens:
            raise refused("Invalid 'token' authentication: no valid_tokens")
    return {**auth, "method": method}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(1), match.group()), text)


def _escaped(name: str, kind: Any, value: Any) -> str:
    """Write a value so that it stays what its type says, whatever is in it."""
    if kind == "number":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return javascript.number(float(value))
        return _matching(name, kind, value, _NUMBER)
    if kind == "css_color":
        return _matching(name, kind, value, _COLOR)
    if kind not in ("sql_literal", "sql_ident"):
        raise refused(f"Invalid placeholder type '{js_string(kind)}'")
    if not isinstance(value, str) or "\0" in value:
        raise refused(f"Invalid {kind} value for template parameter '{name}': {js_string(value)}")
    quote = "'" if kind == "sql_literal" else '"'
    return value.replace(quote, quote * 2)


def _matching(name: str, kind: str, value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.match(value):
        raise refused(f"Invalid {kind} value for template parameter '{name}': {js_string(value)}")
    return value


def _set_buffer_sizes(config: dict[str, Any], chosen: Any, values: Mapping[str, str]) -> None:
    described = config.get("buffersize")
    sizes = {**(described if isinstance(described, dict) else {}), **(chosen if isinstance(chosen, dict) else {})}
    for name, size in sizes.items():
        text = _filled(size, values) if isinstance(size, str) else size
        sizes[name] = float(text) if isinstance(text, str) and _NUMBER.match(text) else text
    if sizes:
        config["buffersize"] = sizes


def _set_styles(config: dict[str, Any], styles: Any) -> None:
    """Replace the styles of some layers by the caller's."""
    for number, style in styles.items() if isinstance(styles, dict) else ():
        if number.isdecimal() and int(number) < len(config["layers"]):
            config["layers"][int(number)]["options"]["cartocss"] = style
