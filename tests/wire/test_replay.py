"""The replay itself: it notices differences, ignores what varies, and sends bodies in their full length."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import pytest

from tests.wire.client import Answer
from tests.wire.comparison import differences
from tests.wire.replay import HERE, Report
from tests.wire.transcript import Exchange, Renames, read_transcript

TRANSCRIPT = HERE / "sql-api.jsonl"
JSON = "application/json; charset=utf-8"


def exchange(body: str = "{}", **response: Any) -> Exchange:
    request = {"method": "GET", "path": "/", "headers": {}}
    recorded = {"status": 200, "headers": {"Content-Type": JSON}, "body": body, **response}
    return Exchange("group_name", request, recorded, True)


def answer(body: str = "{}", status: int | None = 200, **headers: str) -> Answer:
    return Answer(status, {"content-type": JSON, **headers}, body.encode())


def test_what_varies_is_no_difference() -> None:
    recorded = exchange('{"time":0.004,"created_at":"2026","f":{"type":"unknown(1)"},"e":["table OID 7"]}')
    got = answer('{"time":12,"created_at":"2027","f":{"type":"unknown(2)"},"e":["table OID 8"]}')
    assert differences(recorded, got) == []
    dated = exchange(headers={"Content-Disposition": 'inline; modification-date="a";'})
    assert differences(dated, Answer(200, {"content-disposition": 'inline; modification-date="b";'}, b"{}")) == []


@pytest.mark.parametrize(
    ("recorded", "got", "complaint"),
    [
        (exchange(status=400), answer(), "status: expected 400, got 200"),
        (exchange(), answer(status=None), "status: expected 200, got None"),
        (exchange('{"a":1}'), answer('{"a":2}'), "body: expected"),
        (exchange('{"a":1,"b":2}'), answer('{"b":2,"a":1}'), "body: expected"),
        (exchange(headers={}), answer(), "content-type: expected ''"),
        (exchange(), answer(**{"Retry-After": "1"}), "Retry-After: not expected"),
        (exchange(headers={"Content-Type": JSON, "Retry-After": "9"}), answer(), "Retry-After: missing"),
        (exchange(body_b64=base64.b64encode(b"\0\1").decode()), answer("\0\2"), "bytes: expected"),
        (exchange(body_head="[1", body_tail="2]", body_length=5), answer("[1,3]"), "end: expected"),
        (exchange(body_head="[1", body_tail="2]", body_length=99), answer("[1,2]"), "length: expected 99"),
        (exchange(body_b64_head="AAAA", body_b64_length=8), answer("\0\0\0"), "length in base64: expected 8"),
    ],
)
def test_differences_are_noticed(recorded: Exchange, got: Answer, complaint: str) -> None:
    (found,) = differences(recorded, got)
    assert found.startswith(complaint)


def test_groups_that_fall_short() -> None:
    report = Report({"auth": ["auth_a", "auth_b"], "fmt": ["fmt_a"]}, {"auth_b": ["body"]})
    assert report.matched() == (2, 3)
    assert report.matched(["fmt"]) == (1, 1)
    assert len(report.shortfalls()) == 2
    assert "auth_b\n  body" in report.text()


@pytest.mark.parametrize("recorded", [e for e in read_transcript(TRANSCRIPT) if "body_length" in e.request])
def test_shortened_bodies_are_as_long_as_they_were(recorded: Exchange) -> None:
    body = recorded.body()
    assert recorded.header.get("Content-Encoding") == "gzip" or len(body) == recorded.request["body_length"]


def test_renaming() -> None:
    names = Renames({"old": "new", "table": "board"})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("old.dbf", "an old table")
    encoded = base64.b64encode(packed.getvalue()).decode()
    basic = "Basic " + base64.b64encode(b"old:key").decode()
    renamed = names.tree({"old": ["table", 1], "Authorization": basic, "body_b64": encoded})
    assert renamed["new"] == ["board", 1]
    assert base64.b64decode(renamed["Authorization"][6:]) == b"new:key"
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(renamed["body_b64"]))) as archive:
        assert archive.read("new.dbf") == b"an new board"


def test_what_is_compared() -> None:
    exchanges = read_transcript(TRANSCRIPT)
    assert sum(e.replay and e.response is not None for e in exchanges) == 441
    assert {e.group for e in exchanges} >= {"auth", "select", "types", "copyfrom", "copyto", "job", "rate"}
