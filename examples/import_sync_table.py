"""Have a URL fetched again at an interval, or at once where that has been set up before.

    python examples/import_sync_table.py https://example.com/stations.csv 3600

The first run makes the synchronization and waits for its dataset. Every further run with the same URL sets the
interval and asks for the data at once, which the server does every 15 minutes at most.
"""

from __future__ import annotations

from account import account_parser, log_in
from datasets_and_maps import check_key, print_properties, time_text
from terminal import progress_shown, run

from carto.progress import showing_states
from carto.sync_tables import SyncTableJob, SyncTableJobManager


def main() -> None:
    """Synchronize the URL that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("url", help="URL of the data")
    parser.add_argument("sync_time", type=int, help="seconds from one time to the next, 900 or more")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        check_key(auth_client)
        manager = SyncTableJobManager(auth_client)
        job = next((each for each in manager.iterate() if each.url == options.url), None)
        if job is None:
            job = manager.create(options.url, options.sync_time)
        else:
            fetch_again(job, options.sync_time)
        wait(job)
    print_job(job)


def fetch_again(job: SyncTableJob, interval: int) -> None:
    """Set the interval, and ask for the data at once."""
    if job.interval != interval:
        job.interval = interval
        job.save()
    job.force_sync()
    if not job.enqueued:
        print("The server did not start it now: the last time is less than 15 minutes ago.")


def wait(job: SyncTableJob) -> None:
    """Wait until the data are there."""
    with showing_states(progress_shown(), None, "synchronization") as show:
        job.wait(on_state=show)


def print_job(job: SyncTableJob) -> None:
    """Print how and when the data are fetched."""
    print_properties({
        "dataset": job.name,
        "synchronization": job.id,
        "URL": job.url,
        "state": job.state,
        "fetched every": f"{job.interval} s",
        "last time at": time_text(job.ran_at),
        "next time at": time_text(job.run_at),
    })


if __name__ == "__main__":
    run(main)
