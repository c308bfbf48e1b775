"""What the numbers depend on: the machine and the versions, without its name or any path."""

from __future__ import annotations

import os
import platform
from pathlib import Path

#: Packages whose versions matter to the numbers.
PACKAGES = ["carto", "requests", "urllib3", "isal", "psycopg", "pandas", "pyarrow"]


def facts() -> dict[str, str]:
    """Describe the machine."""
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "processor": _processor(),
        "memory": f"{_memory_gb():.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
