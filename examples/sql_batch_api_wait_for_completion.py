"""Run a query in the background by the Batch SQL API, and wait until it is done.

    python examples/sql_batch_api_wait_for_completion.py --query "CREATE TABLE copy AS SELECT * FROM my_table"

A job that fails or is cancelled ends the script with the server's reason and the exit status 1. Ctrl-C ends the
waiting, not the job: sql_batch_api_jobs.py cancels it.
"""

from __future__ import annotations

from account import account_parser, log_in
from sql_batch_api_jobs import print_job
from terminal import progress_shown, run

from carto.progress import showing_states
from carto.sql import BatchSQLClient


def main() -> None:
    """Create the job, wait for it, and print it."""
    parser = account_parser(__doc__)
    parser.add_argument("--query", required=True, help="the SQL of the job")
    options = parser.parse_args()
    with log_in(parser, options) as auth_client:
        batch = BatchSQLClient(auth_client)
        job = batch.create(options.query)
        print(f"Job {job['job_id']} was created.", flush=True)
        with showing_states(progress_shown(), None, "Batch job") as progress:
            job = batch.wait_for_completion(job["job_id"], progress=progress)
    print_job(job)


if __name__ == "__main__":
    run(main)
