"""Python SDK for CARTO's SQL, Import and Maps APIs.

The version stands here and nowhere else: packaging, the User-Agent header and
the client identifier all read it.
"""

__version__ = "2.0.0"
