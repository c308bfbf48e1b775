"""The synchronization of a dataset, as visualizations and tables carry it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from carto.exceptions import CartoUsageException
from carto.fields import BooleanField, CharField, DateTimeField, IntegerField
from carto.resources import Resource

#: Seconds between two synchronizations; the server takes no less.
MIN_INTERVAL = 900


class Synchronization(Resource):
    """How and when a dataset is fetched again; `carto.sync_tables` works with it."""

    checksum = CharField()
    created_at = DateTimeField()
    error_code = CharField()
    error_message = CharField()
    id = CharField()
    interval = IntegerField()
    modified_at = DateTimeField()
    name = CharField()
    ran_at = DateTimeField()
    retried_times = IntegerField()
    run_at = DateTimeField()
    service_item_id = CharField()
    service_name = CharField()
    state = CharField()
    updated_at = DateTimeField()
    url = CharField()
    user_id = CharField()
    content_guessing = BooleanField()
    etag = CharField()
    log_id = CharField()
    quoted_fields_guessing = BooleanField()
    type_guessing = BooleanField()
    from_external_source = BooleanField()
    visualization_id = CharField()

    class Meta:
        """Where synchronizations are."""

        collection_endpoint = "api/v1/synchronizations/"
        saved_fields = ("interval",)

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        values = super()._values(names)
        if "interval" in values:
            values["interval"] = checked_interval(values["interval"])
        return values


def checked_interval(interval: Any) -> int:
    """Refuse an interval that the server would refuse, or worse, take.

    Args:
        interval: Seconds, as a number or as its text.

    Returns:
        The number.

    Raises:
        CartoUsageException: It is not a number of seconds of 900 or more.
    """
    is_text = isinstance(interval, str) and interval.isascii() and interval.isdigit()
    is_number = isinstance(interval, int) and not isinstance(interval, bool)
    if not (is_text or is_number) or int(interval) < MIN_INTERVAL:
        raise CartoUsageException(f"interval is a number of seconds, {MIN_INTERVAL} or more, not {interval!r}")
    return int(interval)
