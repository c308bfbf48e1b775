"""Save everything of an account that a key can read in a folder.

    python examples/export_account.py FOLDER --base_url URL --api_key KEY

Tables with their definitions and rows, views, maps (.carto), named maps, custom visualizations and the definitions of
synchronizations; restore_account.py loads them into another account. Run it again when it was interrupted, and it goes
on: what is complete is kept. What the key may not read is left out, and said so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from account import account_parser, log_in
from account_copy.folder import Folder
from account_copy.outcomes import Outcome, conclude, show
from account_copy.source import REFUSED, Item, LeftOutError, Source
from terminal import require, run, size_text, with_progress

from carto.auth import APIKeyAuthClient
from carto.exceptions import CartoException, CartoTransportException


def main() -> None:
    """Save the account that the options or the environment name."""
    parser = account_parser(__doc__)
    parser.add_argument("folder", type=Path, help="where to save it: a new folder, or one to go on with")
    parser.add_argument("--format", choices=("copy", "gpkg"), default="copy",
                        help="of the rows: copy (default; exact) or gpkg (GeoPackage, which other programs read)")
    parser.add_argument("--refresh", action="store_true", help="save again what has changed since it was saved")
    options = parser.parse_args()
    require("prettytable")  # before all the work, whose table it prints
    with log_in(parser, options) as client:
        export(client, options)


def export(client: APIKeyAuthClient, options: argparse.Namespace) -> None:
    """Save everything, and show what became of it."""
    folder = Folder.open_or_create(options.folder, client.base_url)
    items = Source(client, folder, options.format).items()
    folder.save_manifest()
    attempts = [save(folder, item, options.refresh) for item in with_progress(items, "saving", " items")]
    folder.save_manifest()
    outcomes = [outcome for outcome in attempts if outcome is not None]
    outcomes += [Outcome(each["kind"], each["name"] or "some", "left out", note=each["reason"])
                 for each in folder.left_out]
    show(outcomes)
    conclude(outcomes, "run the same command again")


def save(folder: Folder, item: Item, refresh: bool) -> Outcome | None:
    """Save an item, unless it is saved already; a server that can't be reached ends the run.

    Returns:
        What became of it; None when it had to be left out.
    """
    try:
        if is_saved(folder, item, refresh):
            return outcome_of(folder, item, "kept")
        with folder.item(item.kind, item.name) as draft:
            item.write(draft)
            draft.facts["format"] = item.format
        return outcome_of(folder, item, "saved")
    except CartoTransportException:
        raise
    except (*REFUSED, LeftOutError) as error:
        folder.leave_out(item.kind, item.name, str(error))
    except CartoException as error:
        return Outcome(item.kind, item.name, "failed", note=" ".join(str(error).split()), failed=True)
    return None


def is_saved(folder: Folder, item: Item, refresh: bool) -> bool:
    """Tell whether an item is in the folder, whole and in the format that is asked for."""
    entry = folder.entries(item.kind).get(item.name)
    if entry is None or entry["format"] != item.format or folder.problem_with(entry):
        return False
    if not refresh:
        return True
    version = item.version()
    return version is not None and version == entry["version"]


def outcome_of(folder: Folder, item: Item, what: str) -> Outcome:
    """Tell what the manifest says about an item."""
    entry = folder.entries(item.kind)[item.name]
    size = sum(file["bytes"] for file in entry["files"].values())
    return Outcome(item.kind, item.name, what, entry.get("rows"), size_text(size))


if __name__ == "__main__":
    run(main)
