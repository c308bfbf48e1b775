"""Replays the recording against a sandbox of its own, as it is and with everything renamed: `python -m tests.wire`."""

from __future__ import annotations

import sys

from tests.wire.conformance import RENAMES, replay_in_sandbox, replay_maps_in_sandbox


def main() -> int:
    """Print both reports; 0 when both reach what the recording's groups ask for."""
    shortfalls = []
    for title, renames in (("as recorded", {}), ("renamed", RENAMES)):
        report = replay_in_sandbox(renames)
        print(f"== {title}\n{report.text()}\n")
        shortfalls += [f"{title}: {text}" for text in report.shortfalls()]
    maps = replay_maps_in_sandbox()
    print(f"== Maps API\n{maps.text()}\n")
    shortfalls += [f"Maps API: {text}" for text in maps.shortfalls()]
    print("\n".join(shortfalls))
    return bool(shortfalls)


if __name__ == "__main__":
    sys.exit(main())
