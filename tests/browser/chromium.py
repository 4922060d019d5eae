# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A headless Chromium with one page, driven by the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60
#: Events of errors and console messages.
COMPLAINTS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")


def find() -> str | None:
    """Return the path of the browser of this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A browser with one page, and the events of the page."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv())
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a page anew and wait for it."""
        self._go("about:blank")
        self.events.clear()
        self._go(f"{path.as_uri()}{fragment}")

    def _go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        there = f"location.href === {json.dumps(url)} && document.readyState === 'complete'"
        _wait(lambda: self.run(there), f"{url} does not load")

    def run(self, script: str) -> Any:
        """Return the value of a script in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def complaints(self) -> list[dict[str, Any]]:
        """Return the errors and console messages of the page."""
        self.run("new Promise((done) => setTimeout(done, 20))")
        return [event["params"] for event in self.events if event["method"] in COMPLAINTS]

    def requests(self) -> list[str]:
        """Return the URLs that the page requested."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]

    def media(self, kind: str = "", scheme: str = "light") -> None:
        """Show pages as on a screen or on paper, in light or dark mode."""
        self.call(
            "Emulation.setEmulatedMedia", media=kind, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def size(self, width: int, height: int = 900) -> None:
        """Set the size of the screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def shot(self, target: Path, height: int = 2400) -> None:
        """Write a screenshot of the page, for people."""
        target.parent.mkdir(parents=True, exist_ok=True)
        width = self.run("innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        target.write_bytes(base64.b64decode(image["data"]))


def _wait(condition: Callable[[], Any], problem: str) -> Any:
    give_up = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < give_up, problem
        time.sleep(0.05)
    return value


def _address(port: str) -> str:
    """Return the URL of the DevTools connection to the page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=SECONDS) as answer:
        pages = [target for target in json.load(answer) if target["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"])


@contextlib.contextmanager
def browser(folder: Path, program: str) -> Iterator[Browser]:
    """Start a browser, and end it and its child processes with the block."""
    arguments = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--disable-gpu"]
    arguments += ["--no-first-run", "--disable-background-networking", "--hide-scrollbars", "about:blank"]
    # Chromium does not start its sandbox as root. The pages are files of these tests.
    arguments += ["--no-sandbox"] if os.getuid() == 0 else []
    log = folder.with_name("chromium.log").open("w")
    process = subprocess.Popen([program, *arguments], stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        port_file = folder / "DevToolsActivePort"
        _wait(lambda: port_file.exists() and port_file.read_text(encoding="utf-8").count("\n"), "no port")
        port = port_file.read_text(encoding="utf-8").splitlines()[0]
        connection = websocket.create_connection(_address(port), timeout=SECONDS, suppress_origin=True)
        with contextlib.closing(connection):
            yield Browser(connection)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        log.close()
