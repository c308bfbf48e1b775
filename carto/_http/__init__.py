"""HTTP as this package uses it: sessions, retries, timeouts, redaction and streams.

Nothing in here knows CARTO's resources. Requests are logged, redacted, to the
logger ``carto``; it stays silent until the application configures logging.
"""

import logging

logging.getLogger("carto").addHandler(logging.NullHandler())
