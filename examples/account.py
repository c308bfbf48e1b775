"""The options that all examples share: which CARTO account to use, and with which key."""

from __future__ import annotations

import argparse
import os

from carto.auth import APIKeyAuthClient

NO_ACCOUNT = (
    "no account: give --base_url and --api_key, or set CARTO_API_URL and CARTO_API_KEY. "
    "`python -m carto.sandbox` starts a local CARTO and prints both."
)


def account_parser(description: str | None, url_variable: str = "CARTO_API_URL") -> argparse.ArgumentParser:
    """Make the parser of a script, with the account's options on it.

    Args:
        description: What --help says about the script: its docstring, shown as it is written.
        url_variable: The environment variable with the URL, where a script has one of its own;
            CARTO_API_URL is read where that is not set.

    Returns:
        The parser, for the script's own options to be added.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add_account_options(parser, url_variable)
    return parser


def add_account_options(parser: argparse.ArgumentParser, url_variable: str = "CARTO_API_URL") -> None:
    """Add --base_url, --api_key and --organization, which default to what the environment says."""
    account = parser.add_argument_group("account")
    account.add_argument(
        "--base_url",
        metavar="URL",
        default=os.environ.get(url_variable) or os.environ.get("CARTO_API_URL"),
        help="URL of the account, such as https://USER.carto.com/, or for a member of an organization "
        f"https://ORGANIZATION.carto.com/user/USER/ (default: ${url_variable})",
    )
    account.add_argument(
        "--api_key",
        metavar="KEY",
        default=os.environ.get("CARTO_API_KEY"),
        help="master key of the account (default: $CARTO_API_KEY, which other users of the machine do not see)",
    )
    account.add_argument(
        "--organization",
        metavar="NAME",
        default=os.environ.get("CARTO_ORG"),
        help="name of the organization, if the account belongs to one (default: $CARTO_ORG)",
    )


def log_in(parser: argparse.ArgumentParser, options: argparse.Namespace) -> APIKeyAuthClient:
    """Make the authentication client of the account; end the script when it was not told which."""
    if not options.base_url or not options.api_key:
        parser.error(NO_ACCOUNT)
    return APIKeyAuthClient(
        base_url=options.base_url, api_key=options.api_key, organization=options.organization or None
    )
