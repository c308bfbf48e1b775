"""List the queries that are running in the account's database, the longest first.

kill_query.py cancels one of them by the number of its process (pid).

    python examples/running_queries.py
"""

from __future__ import annotations

from account import account_parser, log_in
from terminal import print_table, run

from carto.sql import SQLClient

#: Other users' queries are hidden from us, and this one is of no interest.
RUNNING = """
    SELECT pid, round(extract(epoch FROM clock_timestamp() - query_start)::numeric, 1)::float AS seconds, state,
           coalesce(wait_event_type || ': ' || wait_event, '') AS "waits for", query
    FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND state <> 'idle' AND pid <> pg_backend_pid()
    ORDER BY query_start
"""


def main() -> None:
    """Print the table of queries."""
    parser = account_parser(__doc__)
    with log_in(parser, parser.parse_args()) as auth_client:
        answer = SQLClient(auth_client).send(RUNNING)
    if answer["rows"]:
        print_table(list(answer["fields"]), [row.values() for row in answer["rows"]])
    else:
        print("No query is running.")


if __name__ == "__main__":
    run(main)
