"""Run the examples against a sandbox of its own, as a newcomer would in two terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from carto.sandbox import Sandbox

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPTS = ("quickstart.py", "datasets.py", "maps.py")


def main() -> int:
    """Start the sandbox, run the scripts, stop the sandbox; give the exit status of the first that fails, or 0."""
    with Sandbox() as carto:
        account = {
            "CARTO_API_URL": carto.base_url,
            "CARTO_API_KEY": carto.api_key,
            "CARTO_ORG": carto.organization,
        }
        print("$ python -m carto.sandbox")
        for name, value in account.items():
            print(f"export {name}={value}")
        for script in SCRIPTS:
            print(f"\n$ python examples/{script}", flush=True)
            done = subprocess.run([sys.executable, EXAMPLES / script], env=os.environ | account, check=False)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
