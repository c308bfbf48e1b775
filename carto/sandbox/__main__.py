"""Command line of the sandbox: ``python -m carto.sandbox``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from carto.sandbox import Sandbox, SandboxError

DESCRIPTION = """\
Run a local CARTO: its SQL, Import and Maps APIs on a real PostgreSQL with PostGIS, without any account.

It prints the settings that the examples read, and serves until you press Ctrl-C:

  export CARTO_API_URL=...   address to give to APIKeyAuthClient as base_url
  export CARTO_API_KEY=...   master key of the account
  export CARTO_ORG=...       organization (empty)

Leave it running, and paste these lines into another terminal. Or, in one terminal:

  python -m carto.sandbox > settings.sh &
  sleep 5; source settings.sh
  python examples/quickstart.py
  kill %1

Nothing remains when it stops, unless you give it a --data-dir or a --database-url.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until Ctrl-C or SIGTERM.

    Args:
        arguments: Command line; that of the process when None.

    Returns:
        Exit status: 0 when it was asked to stop, 1 when it failed.
    """
    options = vars(_parser().parse_args(arguments))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Sandbox(**options) as sandbox:
            _print_settings(sandbox)
            sandbox.wait()
            print("The sandbox's server ended unexpectedly.", file=sys.stderr)
            return 1
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m carto.sandbox",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port to serve on (default: any free one)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to serve on (default: %(default)s, which only this machine reaches)",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIRECTORY",
        help="keep the data here, for the next start (default: they are deleted at the end)",
    )
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help="use this PostgreSQL server, such as postgresql://me:secret@host/postgres, instead of a private "
        "one; its role must be a superuser, or what a managed service gives instead: it creates roles, databases, "
        "PostGIS and event triggers; what it creates stays",
    )
    parser.add_argument(
        "--accounts",
        metavar="FILE",
        help="JSON file describing the accounts to serve (default: one account, demo)",
    )
    parser.add_argument(
        "--image-host",
        action="append",
        default=[],
        dest="image_hosts",
        metavar="HOST",
        help="let maps take tiles and images from this host; may be repeated (default: from this machine only)",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show every request and the server's messages")
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _print_settings(sandbox: Sandbox) -> None:
    settings = {
        "CARTO_API_URL": sandbox.base_url,
        "CARTO_API_KEY": sandbox.api_key,
        "CARTO_ORG": sandbox.organization,
    }
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    print("The sandbox is running. Press Ctrl-C to stop it.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
