"""Run examples/quickstart.py against a sandbox of its own, as a newcomer would in two terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from carto.sandbox import Sandbox

QUICKSTART = Path(__file__).resolve().parent.parent / "examples" / "quickstart.py"


def main() -> int:
    """Start the sandbox, run the script, stop the sandbox; give the script's exit status."""
    with Sandbox() as carto:
        account = {
            "CARTO_API_URL": carto.base_url,
            "CARTO_API_KEY": carto.api_key,
            "CARTO_ORG": carto.organization,
        }
        print("$ python -m carto.sandbox")
        for name, value in account.items():
            print(f"export {name}={value}")
        print(f"\n$ python examples/{QUICKSTART.name}", flush=True)
        return subprocess.run([sys.executable, QUICKSTART], env=os.environ | account, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
