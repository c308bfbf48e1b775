"""Set who may see a dataset.

    python examples/change_dataset_privacy.py populated_places LINK

PRIVATE is for the owner alone, LINK for whoever knows the address, and PUBLIC for everybody.
"""

from __future__ import annotations

from account import account_parser, log_in
from datasets_and_maps import find_dataset
from terminal import run

from carto.permissions import LINK, PRIVATE, PUBLIC


def main() -> None:
    """Change the dataset that the arguments name."""
    parser = account_parser(__doc__)
    parser.add_argument("dataset_name", help="name of the dataset, or its id")
    parser.add_argument("privacy", type=str.upper, choices=(PRIVATE, LINK, PUBLIC), help="who may see it")
    options = parser.parse_args()

    with log_in(parser, options) as auth_client:
        dataset = find_dataset(auth_client, options.dataset_name)
        before = dataset.privacy
        dataset.privacy = options.privacy
        dataset.save()
    print(f"{dataset.name} was {before} and is {dataset.privacy}: {dataset.url}")


if __name__ == "__main__":
    run(main)
