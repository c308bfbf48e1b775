"""What the tests of the sandbox share; the running `sandbox` itself is a fixture of the whole test suite."""

from __future__ import annotations

import pytest

from carto.sandbox import SandboxRequirementError
from carto.sandbox.postgres_programs import find_programs


@pytest.fixture(scope="session")
def missing_programs() -> str | None:
    """Say what keeps a sandbox from running on this machine; None when it can run."""
    try:
        find_programs()
    except SandboxRequirementError as error:
        return str(error)
    return None


@pytest.fixture(autouse=True)
def _skip_where_postgis_is_missing(missing_programs: str | None) -> None:
    if missing_programs:
        pytest.skip(f"the sandbox cannot run here: {missing_programs}")
