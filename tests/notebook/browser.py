"""A headless Chromium, driven through ChromeDriver's own HTTP interface (WebDriver)."""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

#: Software rendering, since test machines have no GPU; and no connection but to this machine.
_CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-watchdog",  # which takes a busy machine for one that hangs
    "--disable-gpu-process-crash-limit",
    "--disable-domain-blocking-for-3d-apis",
    "--window-size=1000,1400",
    "--hide-scrollbars",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """A window of a browser."""

    def __init__(self, session_url: str) -> None:
        self._url = session_url
        self._http = requests.Session()
        self._http.trust_env = False

    def open(self, url: str) -> None:
        self._post("url", {"url": url})

    def elements(self, css: str) -> list[str]:
        """Find elements of the current page or frame; gives what the other methods take."""
        found = self._post("elements", {"using": "css selector", "value": css})
        return [element[_ELEMENT] for element in found]

    def text(self, element: str) -> str:
        return str(self._get(f"element/{element}/text"))

    def enter(self, frame: str) -> None:
        """Look at what is inside a frame from now on."""
        self._post("frame", {"id": {_ELEMENT: frame}})

    def leave(self) -> None:
        """Look at the page again, from inside a frame."""
        self._post("frame", {"id": None})

    def picture(self, element: str) -> bytes:
        """Photograph an element, scrolled into view, as PNG."""
        return base64.b64decode(self._get(f"element/{element}/screenshot"))

    def window(self, width: int, height: int) -> bytes:
        """Photograph what is to be seen in a window of that size, as PNG."""
        self._post("window/rect", {"width": width, "height": height})
        return base64.b64decode(self._get("screenshot"))

    def run(self, javascript: str) -> Any:
        return self._post("execute/sync", {"script": javascript, "args": []})

    def close(self) -> None:
        self._http.delete(self._url, timeout=60)
        self._http.close()

    def _get(self, command: str) -> Any:
        return _value(self._http.get(f"{self._url}/{command}", timeout=60))

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        return _value(self._http.post(f"{self._url}/{command}", json=body, timeout=60))


def _value(response: requests.Response) -> Any:
    value = response.json()["value"]
    assert response.ok, value
    return value


@contextlib.contextmanager
def started_browser(profile: Path) -> Iterator[Browser]:
    """Start ChromeDriver and a Chromium with an empty profile in the given folder; both end with the context."""
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no browser: chromedriver is not installed (Debian's package chromium-driver)")
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            address = f"http://127.0.0.1:{_port(process)}/session"
            options = {"args": [*_CHROMIUM_FLAGS, f"--user-data-dir={profile}"]}
            capabilities = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
            started = _value(requests.post(address, json=capabilities, timeout=60))
            browser = Browser(f"{address}/{started['sessionId']}")
            try:
                yield browser
            finally:
                browser.close()
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str]) -> str:
    """Read where ChromeDriver listens; it says so within its first lines."""
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"started successfully on port (\d+)", line):
            return found[1]
    raise AssertionError("chromedriver did not start")


def came_true(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Ask until the answer is true, or until the time is over; give the last answer."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer
