"""What a mocked server was sent."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit


def query(call: Any) -> dict[str, str]:
    """Read the query of a call, in which every name stands once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(call.request.url).query).items()}


def sent(call: Any) -> Any:
    """Read the JSON body of a call."""
    return json.loads(call.request.body)
