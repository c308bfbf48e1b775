"""Tells how an answer of the Maps API differs from the recorded one: JSON, vector tiles, images."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
from PIL import Image

from tests.wire.client import Answer
from tests.wire.comparison import compared, shown
from tests.wire.transcript import Exchange

MIN_COMMON_SHARE = 0.7
"""Of the pixels that are visible in either of two images, those that are visible in both."""
MAX_COLOR_DISTANCE = 32
"""How much red, green and blue may differ, averaged over what is visible."""

VISIBLE_ALPHA = 64
PNG_SIZE = slice(16, 24)
JAVASCRIPT_CRASH = re.compile(
    r"Cannot (read|set) property|is not a function|Cannot convert undefined|first argument is invalid|image_reader:"
)
_JSONP = re.compile(r"(/\*\*/ typeof \S+ === 'function' && \S+?\()(.*)\);\Z", re.DOTALL)
_TOKEN = re.compile(r"\b[0-9a-f]{32}\b")
_POSTGIS = re.compile(r"(Postgis Plugin: ERROR:[^\n]*)(?s:.*)")


class Tokens:
    """Which token of the recording is which of this run: the same one always, and another one for another."""

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}
        self._recorded: dict[str, str] = {}

    def differences(self, recorded: str, ours: str) -> list[str]:
        """Compare two layergroup ids with what is known of earlier ones."""
        found = []
        for old, new in zip(_TOKEN.findall(recorded), _TOKEN.findall(ours), strict=False):
            if self._ours.setdefault(old, new) != new:
                found.append(f"token: {old} was {self._ours[old]} before, now {new}")
            if self._recorded.setdefault(new, old) != old:
                found.append(f"token: {new} stands for both {self._recorded[new]} and {old}")
        return found


def differences(exchange: Exchange, answer: Answer, tokens: Tokens) -> list[str]:
    """Compare an answer with the recorded one.

    Args:
        exchange: The recording; it has a response.
        answer: What came in this run.
        tokens: What is known of tokens.

    Returns:
        One text for each difference.
    """
    expected = exchange.response or {}
    if expected["status"] != answer.status:
        return [f"status: expected {expected['status']}, got {answer.status} {shown(answer.body)}"]
    kinds = [_header(headers, "content-type") for headers in (expected["headers"], answer.headers)]
    found = compared("content-type", *kinds) if kinds[0] else []
    return found + _body_differences(expected, answer, tokens)


def _header(headers: dict[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _body_differences(expected: dict[str, Any], answer: Answer, tokens: Tokens) -> list[str]:
    if "body_b64_head" in expected:
        return _heads(base64.b64decode(expected["body_b64_head"]), answer.body)
    if "body_b64" not in expected:
        return _text_differences(expected.get("body", ""), answer.body.decode("utf-8", "backslashreplace"), tokens)
    recorded = base64.b64decode(expected["body_b64"])
    if recorded.startswith((b"\x89PNG", b"\xff\xd8")):
        return _image_differences(recorded, answer.body)
    return compared("tile", *(_features(tile) for tile in (recorded, answer.body)))


def _heads(recorded: bytes, got: bytes) -> list[str]:
    if recorded.startswith(b"\x89PNG"):
        return compared("size", struct.unpack(">II", recorded[PNG_SIZE]), struct.unpack(">II", got[PNG_SIZE]))
    return compared("first bytes", recorded[:3], got[:3])


def _text_differences(expected: str, got: str, tokens: Tokens) -> list[str]:
    scripts = [_JSONP.match(text) for text in (expected, got)]
    if scripts[0] and scripts[1]:
        found = compared("function", scripts[0].group(1), scripts[1].group(1))
        return found + _text_differences(scripts[0].group(2), scripts[1].group(2), tokens)
    try:
        pair = json.loads(expected), json.loads(got)
    except ValueError:
        return compared("body", expected, got)
    if _is_crash(pair[0]):
        return [] if isinstance(pair[1].get("errors_with_context"), list) else [f"no error: {shown(got)}"]
    ids = [value.get("layergroupid", "") if isinstance(value, dict) else "" for value in pair]
    return tokens.differences(*ids) + compared("body", *(json.dumps(_normal(value), sort_keys=True) for value in pair))


def _is_crash(value: Any) -> bool:
    """Tell whether the real server answered with an error of its own program."""
    errors = value.get("errors") if isinstance(value, dict) else None
    return bool(errors) and JAVASCRIPT_CRASH.search(errors[0]) is not None


def _normal(value: Any, name: str = "") -> Any:
    """Replace what varies from run to run, and put into order what has none."""
    if isinstance(value, dict):
        return {key: _normal(item, key) for key, item in value.items()}
    if isinstance(value, list):
        items = [_normal(item, name) for item in value]
        if name == "template_ids":
            return sorted(items)
        if name == "categories":
            return sorted(items, key=lambda each: (-(each.get("value") or each.get("frequency") or 0), str(each)))
        return items
    if name in ("estimatedFeatureCount", "sample", "tableID"):
        return None
    return _normal_text(value, name) if isinstance(value, str) else value


def _normal_text(text: str, name: str) -> str:
    if name in ("http", "https") and "/" not in text:
        return "HOST"
    text = re.sub(r"https?://[^/\s]+/", "HOST/", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "NODE", text)
    text = _TOKEN.sub("TOKEN", text)
    text = re.sub(r"@[0-9a-f]{8}@", "@HASH@", text)
    text = re.sub(r"TOKEN:\d{13}", "TOKEN:TIME", text)
    if name == "last_updated" and not text.startswith("1970"):
        return "TIME"
    return _POSTGIS.sub(r"\1", text)


def _image_differences(recorded: bytes, got: bytes) -> list[str]:
    try:
        images = [Image.open(io.BytesIO(data)).convert("RGBA") for data in (recorded, got)]
    except OSError as error:
        return [f"image: {error}"]
    found = compared("size", images[0].size, images[1].size)
    return found or _pixel_differences(*(np.asarray(image, dtype=float) for image in images))


def _pixel_differences(recorded: Any, got: Any) -> list[str]:
    visible = [image[:, :, 3] >= VISIBLE_ALPHA for image in (recorded, got)]
    both, either = visible[0] & visible[1], visible[0] | visible[1]
    if not either.any():
        return []
    share = both.sum() / either.sum()
    if share < MIN_COMMON_SHARE:
        return [f"image: {share:.0%} of the visible pixels are visible in both"]
    distance = np.abs(recorded[both][:, :3] - got[both][:, :3]).mean(axis=0).max()
    return [f"image: colors differ by {distance:.0f}"] if distance > MAX_COLOR_DISTANCE else []


def _features(tile: bytes) -> list[Any]:
    """Decode a vector tile with GDAL."""
    layers = []
    for name, _ in pyogrio.list_layers(tile) if tile else ():
        meta, _, shapes, columns = pyogrio.raw.read(tile, layer=name, CLIP="NO")
        fields = list(meta["fields"])
        features = [
            (shape.hex(), {field: str(column[row]) for field, column in zip(fields, columns, strict=True)})
            for row, shape in enumerate(shapes)
        ]
        layers.append((name, sorted(features, key=str)))
    return layers
