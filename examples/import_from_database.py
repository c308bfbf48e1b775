"""Import a table of another database as a dataset.

    python examples/import_from_database.py --connection connection.json

The JSON describes the database and what to take from it. In a file, the password is not seen by others:

    {"provider": "postgres", "table": "orders", "schema": "public",
     "connection": {"server": "db.example.com", "port": 5432, "database": "sales",
                    "username": "reader", "password": "...", "sslmode": "require"}}

In place of "table" there may be "sql_query" with "import_as", the name of the dataset. Hosted accounts need the
database connectors in their plan; the server fetches the data, so it must be able to reach the database.
"""

from __future__ import annotations

from account import account_parser, log_in
from datasets_and_maps import print_dataset
from json_argument import json_text_or_file
from terminal import progress_shown, run

from carto.datasets import DatasetManager


def main() -> None:
    """Import from the database that the options describe."""
    parser = account_parser(__doc__)
    parser.add_argument("--connection", required=True, metavar="JSON", help="a file with the JSON, or the JSON itself")
    options = parser.parse_args()

    connection = json_text_or_file(options.connection)
    with log_in(parser, options) as auth_client:
        print_dataset(auth_client, DatasetManager(auth_client).create(connection=connection, progress=progress_shown()))


if __name__ == "__main__":
    run(main)
