"""Create, read, update or cancel a job of the Batch SQL API, which runs queries in the background.

    python examples/sql_batch_api_jobs.py create --query "CREATE TABLE copy AS SELECT * FROM my_table"
    python examples/sql_batch_api_jobs.py read --job_id ID
    python examples/sql_batch_api_jobs.py update --job_id ID --query "SELECT 1"
    python examples/sql_batch_api_jobs.py cancel --job_id ID

Only the master key may use it. Newer servers no longer update jobs.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from account import account_parser, log_in
from terminal import print_table, run

from carto.sql import BatchSQLClient

#: What each operation has to be told.
OPERATIONS = {"create": ["query"], "read": ["job_id"], "update": ["job_id", "query"], "cancel": ["job_id"]}


def main() -> None:
    """Do the operation, and print the job as it is then."""
    parser = account_parser(__doc__)
    parser.add_argument("operation", choices=list(OPERATIONS), help="what to do")
    parser.add_argument("--query", help="the SQL of the job, for create and update")
    parser.add_argument("--job_id", metavar="ID", help="the job, as create printed it")
    options = parser.parse_args()
    for name in OPERATIONS[options.operation]:
        if not getattr(options, name):
            parser.error(f"{options.operation} needs --{name}")
    with log_in(parser, options) as auth_client:
        job = perform(BatchSQLClient(auth_client), options)
    print_job(job)


def perform(batch: BatchSQLClient, options: argparse.Namespace) -> dict[str, Any]:
    """Do what was asked for; give the job."""
    if options.operation == "create":
        return batch.create(options.query)
    if options.operation == "update":
        return batch.update(options.job_id, options.query)
    if options.operation == "cancel":
        print(f"The job is {batch.cancel(options.job_id)}.")
    return batch.read(options.job_id)


def print_job(job: dict[str, Any]) -> None:
    """Print what the server says of a job."""
    print_table(["job", "value"], [
        [name, value if isinstance(value, str) else json.dumps(value)] for name, value in job.items()])


if __name__ == "__main__":
    run(main)
