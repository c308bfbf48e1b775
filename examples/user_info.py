"""Show a user: the account, what is in it, and what is left of its quotas for location data services.

Without --username, that is the user of the URL. The other users of an organization are shown to its admins.

    python examples/user_info.py
    python examples/user_info.py --organization my-team --username somebody
"""

from __future__ import annotations

import os
from typing import Any

from account import account_parser, log_in
from terminal import fail, print_table, run, size_text

from carto.auth import APIKeyAuthClient
from carto.sql import SQLClient
from carto.users import User, UserManager

QUOTAS = "SELECT * FROM cdb_dataservices_client.cdb_service_quota_info() ORDER BY service"
#: Servers of one's own may have no data services.
HAS_QUOTAS = "SELECT to_regprocedure('cdb_dataservices_client.cdb_service_quota_info()') IS NOT NULL AS found"


def main() -> None:
    """Print the user, and the quotas where they are the user's own."""
    parser = account_parser(__doc__)
    parser.add_argument("--username", default=os.environ.get("CARTO_USER"),
                        help="name of the user (default: $CARTO_USER, else the user of the URL)")
    options = parser.parse_args()
    with log_in(parser, options) as auth_client:
        username = options.username or auth_client.username
        print_table(["attribute", "value"], attributes(get_user(auth_client, username)))
        if username == auth_client.username:
            print_quotas(SQLClient(auth_client))


def get_user(auth_client: APIKeyAuthClient, username: str) -> User:
    """Get oneself, as anybody may, or another user of the organization, as its admins may."""
    if username == auth_client.username:
        auth_client.organization = None
    elif auth_client.organization is None:
        fail(f"{username} is another user than {auth_client.username}: give --organization, or set CARTO_ORG")
    return UserManager(auth_client).get(username)


def attributes(user: User) -> list[tuple[str, Any]]:
    """List what the server told of a user."""
    values = [(name, getattr(user, name)) for name in user.fields]
    return [(name, size_text(value) if name.endswith("_in_bytes") else value)
            for name, value in values if value is not None]


def print_quotas(sql: SQLClient) -> None:
    """Print how much of each service may be used in a month, and how much of it was."""
    if not sql.send(HAS_QUOTAS)["rows"][0]["found"]:
        print("\nThis server has no location data services.")
        return
    answer = sql.send(QUOTAS)
    print("\nQuotas of location data services, by month")
    print_table(list(answer["fields"]), [row.values() for row in answer["rows"]])


if __name__ == "__main__":
    run(main)
