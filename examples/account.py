"""The options that all examples share: which CARTO account to use, and with which key."""

from __future__ import annotations

import argparse
import os

from carto.auth import APIKeyAuthClient


def add_account_options(parser: argparse.ArgumentParser) -> None:
    """Add --base_url, --api_key and --organization, which default to what the environment says."""
    parser.add_argument(
        "--base_url",
        default=os.environ.get("CARTO_API_URL"),
        help="URL of the account, such as https://USER.carto.com/ (default: $CARTO_API_URL)",
    )
    parser.add_argument(
        "--api_key",
        default=os.environ.get("CARTO_API_KEY"),
        help="master key of the account (default: $CARTO_API_KEY)",
    )
    parser.add_argument(
        "--organization",
        default=os.environ.get("CARTO_ORG"),
        help="name of the organization, if the account belongs to one (default: $CARTO_ORG)",
    )


def log_in(parser: argparse.ArgumentParser, options: argparse.Namespace) -> APIKeyAuthClient:
    """Make the authentication client of the account; end the script when it was not told which."""
    if not options.base_url or not options.api_key:
        parser.error(
            "no account: give --base_url and --api_key, or set CARTO_API_URL and CARTO_API_KEY. "
            "`python -m carto.sandbox` starts a local CARTO and prints both."
        )
    return APIKeyAuthClient(
        base_url=options.base_url, api_key=options.api_key, organization=options.organization or None
    )
