"""What unit tests share: a certificate, and the count of what a process holds open."""

from __future__ import annotations

import gc
import os
import ssl
import subprocess
import threading

import pytest
import responses

from carto import jobs
from carto.auth import APIKeyAuthClient


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Make a certificate for 127.0.0.1: the paths of it and of its key."""
    directory = tmp_path_factory.mktemp("certificate")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def tls(certificate, monkeypatch):
    """A server's side of TLS, whose certificate the clients made in this test trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    return context


@pytest.fixture
def no_leaks():
    """Fail when a test leaves files, sockets or threads behind."""
    before = _held()
    yield
    assert _held() == before


def _held():
    gc.collect()
    names = [_target(number) for number in os.listdir("/proc/self/fd")]
    return sum(name.startswith(("socket:", "/tmp", "/dev/shm")) for name in names), threading.active_count()


def _target(number):
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:  # the one of the listing itself
        return ""


@pytest.fixture
def auth_client():
    """A client of an account in the cloud, which does not send again."""
    with APIKeyAuthClient("https://me.carto.com/", "secret-key", retries=0) as client:
        yield client


@pytest.fixture
def server():
    """A server in place of the network: the answers that a test adds to it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when a poller sleeps."""
    clock = Clock()
    monkeypatch.setattr(jobs, "time", clock)
    return clock


class Clock:
    def __init__(self):
        self.now = 0.0
        self.sleeps = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds
