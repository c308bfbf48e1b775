"""A carto.com of our own, with the two accounts that the READMEs speak of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from carto.sandbox import Sandbox
from tests.compat.carto_com import lead_to, tls_front
from tests.conftest import started_or_skipped


@pytest.fixture(scope="session")
def readme_sandbox() -> Iterator[Sandbox]:
    """Serve the accounts of the READMEs, user and key as they stand there."""
    accounts: list[dict[str, Any]] = [
        {"name": "me", "keys": [{"type": "master", "token": "my_api_key"}]},
        {"name": "fulano", "keys": [{"type": "master", "token": "myapikey"}], "batch_update": True},
    ]
    with started_or_skipped(Sandbox(accounts=accounts)) as running:
        yield running


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def carto_com_ports(readme_sandbox: Sandbox, authority: trustme.CA) -> Iterator[dict[int, int]]:
    with tls_front(readme_sandbox.base_url, authority.issue_cert("*.carto.com")) as port:
        yield {443: port, 80: int(urlsplit(readme_sandbox.base_url).port or 80)}


@pytest.fixture
def carto_com(
    carto_com_ports: dict[int, int], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Let `https://me.carto.com/` and its neighbours be this machine, and the working directory an empty one."""
    lead_to(monkeypatch, carto_com_ports, authority, tmp_path)
    monkeypatch.chdir(tmp_path)
