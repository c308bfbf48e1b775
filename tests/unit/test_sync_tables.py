"""Synchronizations: creating, waiting, listing, changing, forcing; what the server would misunderstand is refused."""

import json
import logging
from datetime import datetime, timedelta, timezone

import pytest

from carto import sync_tables
from carto.exceptions import (
    CartoBadRequestException,
    CartoException,
    CartoInvalidResponseException,
    CartoJobException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoUnauthorizedException,
    CartoUsageException,
)
from carto.sync_tables import SyncTableJob, SyncTableJobManager

SYNCS = "https://me.carto.com/api/v1/synchronizations/"
ID = "246dae5e-5302-4ae5-8f51-0e85ad047bba"
IMPORT_ID = "2c7a0a1e-6f0b-4a52-9a3b-0f3f5f0c1d11"
URL = "https://Example.com/Stores.CSV?Token=AbC"
DATABASE = {"provider": "postgres", "table": "orders"}


def sync(state="success", **more):
    """A synchronization as the server describes it."""
    return {"id": ID, "name": "stores", "interval": 3600, "url": URL, "state": state, "user_id": "u",
            "created_at": "2020-03-02T10:00:00.120Z", "updated_at": "2020-03-02T11:00:04.011Z",
            "run_at": "2020-03-02T12:00:04.000Z", "ran_at": "2020-03-02T11:00:04.000Z", "modified_at": None,
            "etag": None, "checksum": "", "log_id": None, "error_code": None, "error_message": None,
            "retried_times": 0, "service_name": None, "service_item_id": URL, "type_guessing": True,
            "quoted_fields_guessing": True, "content_guessing": False,
            "visualization_id": "2954fa60-5a02-41e5-888a-0e5e07bb5d8a", "from_external_source": False, **more}


CREATED = {"data_import": {"endpoint": "/api/v1/imports", "item_queue_id": IMPORT_ID}, **sync("queued", name=None)}


@pytest.fixture
def manager(auth_client):
    return SyncTableJobManager(auth_client)


@pytest.fixture
def job(auth_client):
    job = SyncTableJob(None, None, auth_client)
    job.update_from_dict(sync())
    return job


def sent(server, index=0):
    return json.loads(server.calls[index].request.body)


class TestCreating:
    def test_one_post_with_everything(self, manager, server):
        server.post(SYNCS, json=CREATED)
        job = manager.create(URL, 900, type_guessing=False, content_guessing=None, table_name="stores")
        assert len(server.calls) == 1
        assert sent(server) == {"url": URL, "interval": 900, "type_guessing": False, "table_name": "stores"}
        assert (job.get_id(), job.state, job.data_import["item_queue_id"]) == (ID, "queued", IMPORT_ID)

    @pytest.mark.parametrize("connection", [DATABASE, {"connector": DATABASE}])
    def test_D12_a_database(self, manager, server, connection):
        server.post(SYNCS, json=CREATED)
        manager.create(None, 900, connection=connection)
        assert sent(server) == {"interval": 900, "connector": DATABASE}

    @pytest.mark.parametrize("interval", [899, 0, -900, None, True, 900.5, "often", "899", "", "٩٠٠"])
    def test_too_short_intervals_are_refused_before_sending(self, manager, server, interval):
        with pytest.raises(CartoUsageException, match="900 or more, not"):
            manager.create(URL, interval)
        assert len(server.calls) == 0

    def test_an_interval_may_come_from_a_command_line(self, manager, server):
        server.post(SYNCS, json=CREATED)
        manager.create(URL, "900")
        assert sent(server)["interval"] == 900

    def test_a_source_is_needed(self, manager, server):
        with pytest.raises(CartoUsageException, match="URL or connection="):
            manager.create(None, 900)
        assert len(server.calls) == 0

    @pytest.mark.parametrize("option", ["privacy", "collision_strategy"])
    def test_what_the_server_would_forget_is_refused(self, manager, server, option):
        with pytest.raises(CartoUsageException, match=f"no {option} for a synchronization"):
            manager.create(URL, 900, **{option: "private"})
        assert len(server.calls) == 0

    def test_a_second_run_sends_nothing(self, manager, server):
        server.post(SYNCS, json=CREATED)
        job = manager.create(URL, 900)
        job.run()
        assert len(server.calls) == 1
        with pytest.raises(CartoUsageException, match="has been created"):
            job.run(table_name="other")

    def test_save_of_a_new_one_creates_it(self, auth_client, server):
        server.post(SYNCS, json=CREATED)
        SyncTableJob(URL, 900, auth_client).save()
        assert sent(server) == {"url": URL, "interval": 900}

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (400, {"errors": "Invalid interval: Sync interval must be at least 15 minutes"}, CartoBadRequestException,
         "Invalid interval"),
        (400, {"errors": "Invalid URL, cannot connect dataset: x"}, CartoBadRequestException, "Invalid URL"),
        (401, None, CartoUnauthorizedException, "401"),
        (404, None, CartoNotFoundException, "404"),
    ])
    def test_what_the_server_says_is_raised(self, manager, server, status, body, kind, text):
        server.post(SYNCS, status=status, body="" if body is None else json.dumps(body))
        with pytest.raises(kind, match=text):
            manager.create(URL, 900)
        assert len(server.calls) == 1

    def test_a_manager_of_a_subclass_makes_its_objects(self, auth_client, server):
        class Job(SyncTableJob):
            pass

        class JobManager(SyncTableJobManager):
            resource_class = Job

        server.post(SYNCS, json=CREATED)
        server.get(SYNCS + ID, json=sync())
        manager = JobManager(auth_client)
        assert (type(manager.create(URL, 900)), type(manager.get(ID))) == (Job, Job)

    def test_an_answer_without_an_id(self, manager, server):
        server.post(SYNCS, json={})
        with pytest.raises(CartoInvalidResponseException, match="no id of a synchronization"):
            manager.create(URL, 900)


class TestReading:
    def test_D06_all_are_listed(self, manager, server):
        server.get(SYNCS, json={"synchronizations": [sync(), sync(id="2", state="failure")], "total_entries": 2})
        jobs = manager.all()
        assert [(job.get_id(), job.state, job.interval) for job in jobs] == [(ID, "success", 3600),
                                                                            ("2", "failure", 3600)]
        assert len(server.calls) == 1

    def test_D05_one_is_read_by_its_id(self, manager, server):
        server.get(SYNCS + ID, json=sync())
        job = manager.get(ID)
        assert job.ran_at == datetime(2020, 3, 2, 11, 0, 4, tzinfo=timezone.utc)
        assert (job.name, str(job)) == ("stores", ID)

    def test_waiting_for_its_end(self, manager, server, clock):
        server.post(SYNCS, json=CREATED)
        for state in ("created", "queued", "syncing", "success"):
            server.get(SYNCS + ID, json=sync(state))
        seen = []
        manager.create(URL, 900).wait(on_state=lambda job: seen.append(job.state))
        assert seen == ["queued", "created", "queued", "syncing", "success"]

    def test_a_failure_has_the_servers_words(self, manager, server, clock):
        server.get(SYNCS + ID, json=sync("failure", error_code=1100, error_message="Not found <a href='x'>here</a>"))
        with pytest.raises(CartoJobException, match=f"synchronization {ID} failure: error 1100: Not found here$"):
            manager.get(ID).wait()

    def test_a_failure_without_words(self, manager, server, clock):
        server.get(SYNCS + ID, json=sync("failure"))
        with pytest.raises(CartoJobException, match=f"synchronization {ID} failure$"):
            manager.get(ID).wait()

    def test_the_deadline_is_that_of_the_module_at_the_call(self, manager, server, clock, monkeypatch):
        server.get(SYNCS + ID, json=sync("syncing"))
        monkeypatch.setattr(sync_tables, "DEFAULT_WAIT", 12)
        with pytest.raises(CartoJobException, match="not finished after 12 seconds"):
            manager.get(ID).wait()
        assert clock.now == pytest.approx(12)


class TestChanging:
    def test_a_new_interval(self, job, server):
        server.put(SYNCS + ID, json=sync(interval=7200))
        job.interval = 7200
        job.save()
        assert sent(server) == {"interval": 7200}
        assert job.interval == 7200

    def test_the_server_would_take_a_short_one(self, job, server):
        job.interval = 60
        with pytest.raises(CartoUsageException, match="900 or more, not 60"):
            job.save()
        assert len(server.calls) == 0

    def test_deleting(self, job, server):
        server.delete(SYNCS + ID, status=204)
        assert job.delete().status_code == 204

    def test_a_missing_one(self, job, server):
        server.delete(SYNCS + ID, status=404)
        with pytest.raises(CartoNotFoundException):
            job.delete()


class TestForcing:
    def force(self, job, server, enqueued, **now):
        server.put(f"{SYNCS}{ID}/sync_now", json={"enqueued": enqueued, "synchronization_id": ID})
        server.get(SYNCS + ID, json=sync(**now))
        job.force_sync()

    def test_D14_sync_now_is_asked_for(self, job, server, caplog):
        self.force(job, server, True)
        assert [call.request.method for call in server.calls] == ["PUT"]
        assert job.enqueued is True
        assert job.synchronization_id == ID
        assert caplog.records == []

    def test_what_was_asked_for_is_waited_for(self, job, server, clock):
        server.put(f"{SYNCS}{ID}/sync_now", json={"enqueued": True, "synchronization_id": ID})
        for state in ("syncing", "failure"):
            server.get(SYNCS + ID, json=sync(state))
        job.force_sync()
        seen = []
        with pytest.raises(CartoJobException, match=f"synchronization {ID} failure$"):
            job.wait(on_state=lambda job: seen.append(job.state))
        assert seen == ["queued", "syncing", "failure"]

    def test_D14_the_path_has_the_id(self, job):
        assert job.get_force_sync_endpoint() == f"api/v1/synchronizations/{ID}/sync_now"

    def test_a_refusal_is_no_exception_and_the_log_says_when(self, job, server, caplog):
        ran_at = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=100)
        self.force(job, server, False, ran_at=ran_at.isoformat())
        assert job.enqueued is False
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("carto", logging.WARNING)
        assert f"the next can be at {ran_at + timedelta(seconds=900):%H:%M:%S}" in record.getMessage()

    @pytest.mark.parametrize("ran_at", [None, "2020-03-02T11:00:04.000Z"])
    def test_a_refusal_for_another_reason(self, job, server, caplog, ran_at):
        self.force(job, server, False, ran_at=ran_at, state="syncing")
        assert "its state is syncing, or three others are running" in caplog.text

    def test_a_refusal_when_the_state_cannot_be_read(self, job, server, caplog):
        server.put(f"{SYNCS}{ID}/sync_now", json={"enqueued": False})
        server.get(SYNCS + ID, status=500)
        job.force_sync()
        assert job.enqueued is False
        assert "was not started now" in caplog.text

    @pytest.mark.parametrize(("status", "kind"), [(404, CartoNotFoundException), (401, CartoUnauthorizedException)])
    def test_errors_stay_errors(self, job, server, status, kind):
        server.put(f"{SYNCS}{ID}/sync_now", status=status)
        with pytest.raises(kind):
            job.force_sync()

    def test_D15_a_rate_limit_stays_one(self, job, server):
        server.put(f"{SYNCS}{ID}/sync_now", status=429, headers={"Retry-After": "3"})
        with pytest.raises(CartoRateLimitException):
            job.force_sync()

    def test_one_that_was_not_created(self, auth_client):
        with pytest.raises(CartoException, match="run or retrieve it first"):
            SyncTableJob(URL, 900, auth_client).force_sync()
