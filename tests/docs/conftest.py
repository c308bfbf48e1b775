"""The account of the documentation: `https://me.carto.com/`, served by a sandbox."""

from tests.compat.conftest import authority, carto_com, carto_com_ports, readme_sandbox

__all__ = ["authority", "carto_com", "carto_com_ports", "readme_sandbox"]
