"""Cancel a query that is running in the account's database.

running_queries.py tells its process (pid).

    python examples/kill_query.py PID
"""

from __future__ import annotations

from account import account_parser, log_in
from terminal import fail, run

from carto.sql import SQLClient

#: A process number may have passed on to somebody else, whose queries we may not cancel.
CANCEL = """
    SELECT query, pg_cancel_backend(pid) AS cancelled
    FROM pg_stat_activity
    WHERE pid = %(pid)s AND datname = current_database() AND usename = current_user AND state <> 'idle'
        AND pid <> pg_backend_pid()
"""


def main() -> None:
    """Ask PostgreSQL to cancel the query."""
    parser = account_parser(__doc__)
    parser.add_argument("pid", type=int, help="number of the process that runs the query")
    options = parser.parse_args()
    with log_in(parser, options) as auth_client:
        found = SQLClient(auth_client).send(CANCEL, params={"pid": options.pid})["rows"]
    if not found:
        fail(f"no query of this account is running in process {options.pid}; running_queries.py lists those that are")
    if not found[0]["cancelled"]:
        fail(f"PostgreSQL could not send the cancellation to process {options.pid}")
    print(f"Process {options.pid} was told to cancel: {found[0]['query']}")


if __name__ == "__main__":
    run(main)
