"""The example about users: it shows what the server tells of them, to those who may know."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from carto.sandbox import Sandbox
from tests.conftest import started_or_skipped
from tests.examples.scripts import account_of, bytes_in, failure_of, printed_by, rows_of, table_rows


@pytest.fixture(scope="module")
def team() -> Iterator[dict[str, dict[str, str]]]:
    """Serve an organization; give the variables of each of its members."""
    roles = {"chief": "owner", "worker": "member"}
    described = [{"name": name, "organization": "a-team", "org_role": role,
                  "keys": [{"type": "master", "token": f"key_of_{name}"}]} for name, role in roles.items()]
    with started_or_skipped(Sandbox(accounts=described)) as running:
        yield {name: {"CARTO_API_URL": account.base_url, "CARTO_API_KEY": account.api_key,
                      "CARTO_ORG": account.organization} for name, account in running.accounts.items()}


def _shown(printed: str) -> dict[str, str]:
    """Read the first table, of the user's attributes."""
    return {row["attribute"]: row["value"] for row in table_rows(printed.partition("\n\n")[0])}


def test_user_info_shows_the_account(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.base_url}api/v1/users/me", params={"api_key": sandbox.api_key}, timeout=30).json()
    for account in (account_of(sandbox), account_of(sandbox) | {"CARTO_ORG": "a-team"}):
        printed = printed_by("user_info.py", environment=account)
        shown = _shown(printed)
        for name in ("username", "email", "base_url", "table_count", "viewer"):
            assert shown[name] == str(answer[name])
        assert bytes_in(shown["db_size_in_bytes"]) == pytest.approx(answer["db_size_in_bytes"], rel=0.05)
        assert sandbox.api_key not in printed


def test_user_info_shows_the_quotas_of_data_services(sandbox: Sandbox) -> None:
    printed = printed_by("user_info.py", environment=account_of(sandbox))
    quotas = rows_of(sandbox, "SELECT * FROM cdb_dataservices_client.cdb_service_quota_info() ORDER BY service")
    assert "Quotas of location data services" in printed
    assert table_rows(printed) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in quotas]
    assert quotas


def test_user_info_of_somebody_else_wants_an_organization(sandbox: Sandbox) -> None:
    message = failure_of("user_info.py", environment=account_of(sandbox) | {"CARTO_USER": "somebody"})
    assert "--organization" in message


def test_the_owner_of_an_organization_sees_its_members(team: dict[str, dict[str, str]]) -> None:
    printed = printed_by("user_info.py", "--username", "worker", environment=team["chief"])
    assert _shown(printed)["username"] == "worker"
    assert "Quotas" not in printed, "they are those of the caller"
    assert _shown(printed_by("user_info.py", environment=team["chief"]))["username"] == "chief"


def test_a_member_sees_itself_alone(team: dict[str, dict[str, str]]) -> None:
    assert _shown(printed_by("user_info.py", environment=team["worker"]))["org_admin"] == "False"
    message = failure_of("user_info.py", environment=team["worker"] | {"CARTO_USER": "chief"})
    assert message.startswith("401 Unauthorized")
    assert message.endswith("(check the API key and what it may do)")
