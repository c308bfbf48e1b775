"""What the tests of the sandbox share; the running `sandbox` itself is a fixture of the whole test suite."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from carto.auth import APIKeyAuthClient
from carto.sandbox import Sandbox, SandboxRequirementError
from carto.sandbox.postgres_programs import find_programs
from carto.sql import SQLClient
from tests.conftest import started_or_skipped
from tests.sandbox.api import ACCOUNTS
from tests.sandbox.maps_client import MapsClient, maps_client


@pytest.fixture(scope="session", autouse=True)
def _skip_where_postgis_is_missing() -> None:
    """Come before every other fixture: those of whole modules start sandboxes too."""
    try:
        find_programs()
    except SandboxRequirementError as missing:
        pytest.skip(f"the sandbox cannot run here: {missing}")


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[APIKeyAuthClient]:
    with APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def sql(client: APIKeyAuthClient) -> SQLClient:
    return SQLClient(client)


@pytest.fixture(scope="module")
def maps(sandbox: Sandbox) -> MapsClient:
    return maps_client(sandbox)


@pytest.fixture(scope="module")
def map_table(maps: MapsClient) -> Iterator[str]:
    """Give a table of points that everybody may read."""
    with maps.table() as name:
        yield name


@pytest.fixture(scope="module")
def hidden_table(maps: MapsClient) -> Iterator[str]:
    """Give the same table, to be read with the master key alone."""
    with maps.table(public=False) as name:
        yield name


def _new_data_dir() -> Iterator[Path]:
    """Give a directory for data that are kept, which every account of this machine may enter."""
    directory = Path(tempfile.mkdtemp(prefix="d-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


data_dir = pytest.fixture(_new_data_dir)
module_data_dir = pytest.fixture(_new_data_dir, scope="module")


@pytest.fixture(scope="session")
def limited_sandbox() -> Iterator[Sandbox]:
    """Serve the accounts of `tests.sandbox.api`, which have keys and limits of every kind."""
    with started_or_skipped(Sandbox(accounts=ACCOUNTS)) as running:
        yield running
