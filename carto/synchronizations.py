"""The synchronization of a dataset, as visualizations and tables carry it."""

from __future__ import annotations

from carto.fields import BooleanField, CharField, DateTimeField, IntegerField
from carto.resources import Resource


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
