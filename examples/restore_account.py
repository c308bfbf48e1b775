"""Load what export_account.py saved into another account, or into a sandbox.

    python examples/restore_account.py FOLDER --base_url URL --api_key KEY

Every file is compared with the manifest before it is loaded, and the rows of every table with what was saved before
the table gets its name. Run it again when it was interrupted, and it goes on. Nothing that the account has is replaced
unless --overwrite is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from account import account_parser, log_in
from account_copy.folder import Folder, Journal, Json
from account_copy.outcomes import Outcome, conclude, show
from account_copy.restored_items import Kuvizs, Maps, NamedMaps, Synchronizations
from account_copy.restored_tables import Database, ForeignKeys, Tables, Views
from account_copy.restorer import Restorer
from terminal import require, run, size_text, with_progress

from carto.auth import APIKeyAuthClient
from carto.exceptions import CartoException, CartoTransportException

_BEGUN = "begun"
_FINISHED = {"done": "restored before", "synchronized": "synchronized"}
_ADVICE = "run the same command again; --overwrite replaces what exists already"


def main() -> None:
    """Load a folder into the account that the options or the environment name."""
    parser = account_parser(__doc__)
    parser.add_argument("folder", type=Path, help="what export_account.py saved")
    parser.add_argument("--overwrite", action="store_true",
                        help="replace tables, views, maps and so on that have the name of one in the folder")
    parser.add_argument("--synchronizations", action="store_true",
                        help="start the synchronizations too; their tables are fetched from their sources anew")
    options = parser.parse_args()
    require("prettytable")  # before all the work, whose table it prints
    with log_in(parser, options) as client:
        restore_all(client, options)


def restore_all(client: APIKeyAuthClient, options: argparse.Namespace) -> None:
    """Restore everything, and show what became of it."""
    folder = Folder.open(options.folder)
    journal = Journal(folder.path, client.base_url)
    database = Database(client)
    if options.overwrite:
        database.make_way(folder, journal)
    restorers = wanted_restorers(client, folder, database, journal, options)
    steps = [(restorer, name, entry) for restorer in restorers for name, entry in restorer.entries()]
    outcomes = [restore(restorer, name, entry, journal, options.overwrite)
                for restorer, name, entry in with_progress(steps, "restoring", " items")]
    if not options.synchronizations:
        outcomes += [Outcome(Synchronizations.kind, name, "left out", note="--synchronizations starts it")
                     for name in folder.entries(Synchronizations.kind)]
    show(outcomes)
    conclude(outcomes, _ADVICE)


def wanted_restorers(client: APIKeyAuthClient, folder: Folder, database: Database, journal: Journal,
                     options: argparse.Namespace) -> list[Restorer]:
    """Make what restores the kinds of items that there are, in the order in which one may need another."""
    makers: list[tuple[str, Callable[[], Restorer]]] = [
        (Tables.kind, lambda: Tables(database, folder)), (Tables.kind, lambda: ForeignKeys(database, folder)),
        (Views.kind, lambda: Views(database, folder)), (Maps.kind, lambda: Maps(database, folder)),
        (NamedMaps.kind, lambda: NamedMaps(client, folder)), (Kuvizs.kind, lambda: Kuvizs(client, folder))]
    if options.synchronizations:
        makers.insert(0, (Synchronizations.kind, lambda: Synchronizations(database, folder, journal)))
    return [make() for kind, make in makers if folder.entries(kind)]


def restore(restorer: Restorer, name: str, entry: Json, journal: Journal, overwrite: bool) -> Outcome:
    """Restore an item, unless it is there; a server that can't be reached ends the run."""
    size = size_text(sum(file["bytes"] for file in entry["files"].values()))
    outcome = partial(Outcome, restorer.kind, name, rows=entry.get("rows"), size=size) if restorer.has_files else \
        partial(Outcome, restorer.kind, name)
    state, exists = journal.state(restorer.kind, name), restorer.exists(entry)
    if state in _FINISHED and (exists or not restorer.has_files):
        return outcome(_FINISHED[state], note=journal.remark(restorer.kind, name))
    if exists and state != _BEGUN and not overwrite:
        return outcome("exists", note="left as it is", failed=True)
    problem = restorer.folder.problem_with(entry)
    if problem is not None:
        return outcome("damaged", note=problem, failed=True)
    journal.note(restorer.kind, name, _BEGUN)
    try:
        note = restorer.restore(entry)
    except CartoTransportException:
        raise
    except CartoException as error:
        return outcome("failed", note=" ".join(str(error).split()), failed=True)
    journal.note(restorer.kind, name, "done", note)
    return outcome("restored", note=note)


if __name__ == "__main__":
    run(main)
