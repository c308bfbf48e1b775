"""The account of the documentation: `https://me.carto.com/`, served by a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carto.auth import APIKeyAuthClient
from tests.compat.conftest import authority, carto_com, carto_com_ports, readme_sandbox
from tests.conftest import PROJECT_ROOT
from tests.docs.account import empty

__all__ = ["authority", "carto_com", "carto_com_ports", "readme_sandbox"]


@pytest.fixture
def names(carto_com: None) -> Iterator[dict[str, Any]]:
    """Give what a page may count on: `auth_client`, an account with nothing in it, and the examples' files."""
    Path("examples").symlink_to(PROJECT_ROOT / "examples")
    with APIKeyAuthClient("https://me.carto.com/", "my_api_key") as client:
        yield {"__name__": "page", "auth_client": client}
        empty(client)
