"""The page in a real browser: nothing is fetched, nothing complains, nothing runs over the edge."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
]


class Browser:
    """Headless Chromium, spoken to through a pipe: no port, no package, a viewport of any width."""

    def __init__(self, profile: Path) -> None:
        to_browser, from_browser = os.pipe(), os.pipe()
        # File descriptors 3 and 4 are what Chromium listens on; ours must not be in their way.
        reads = fcntl.fcntl(to_browser[0], fcntl.F_DUPFD, 20)
        writes = fcntl.fcntl(from_browser[1], fcntl.F_DUPFD, 20)
        log = os.open(profile / "stderr.txt", os.O_WRONLY | os.O_CREAT, 0o600)
        arguments = [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
            "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage",
            f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND", "about:blank",
        ]  # fmt: skip
        actions = [(os.POSIX_SPAWN_DUP2, reads, 3), (os.POSIX_SPAWN_DUP2, writes, 4),
                   (os.POSIX_SPAWN_DUP2, log, 2)]  # fmt: skip
        self.process = os.posix_spawn(str(CHROMIUM), arguments, os.environ, file_actions=actions)
        for descriptor in (reads, writes, to_browser[0], from_browser[1], log):
            os.close(descriptor)
        self._send, self._receive = to_browser[1], from_browser[0]
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []
        self.session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Security", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, path: Path, width: int) -> None:
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                  mobile=width < 600)  # fmt: skip
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())
        self.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        self.session = ""
        self.call("Browser.close")
        os.close(self._send)
        os.close(self._receive)
        os.waitpid(self.process, 0)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._receive], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "chromium said nothing for a minute"
            chunk = os.read(self._receive, 1 << 20)
            assert chunk, "chromium closed its pipe"
            self._buffer += chunk
        first, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(first))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def written(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def problems(browser: Browser) -> list[str]:
    complaints = (
        "Log.entryAdded",
        "Runtime.consoleAPICalled",
        "Runtime.exceptionThrown",
        "Audits.issueAdded",
    )
    return [json.dumps(event) for event in browser.events if event.get("method") in complaints]


def requests(browser: Browser) -> list[str]:
    sent = (event for event in browser.events if event.get("method") == "Network.requestWillBeSent")
    return [event["params"]["request"]["url"] for event in sent]


@pytest.mark.parametrize("width", [1400, 420])
def test_page_loads_without_complaint_or_request(browser: Browser, written: Path, width: int) -> None:
    browser.open(written, width)
    assert browser.evaluate("document.querySelector('h1').textContent").startswith("Which models")
    assert problems(browser) == []
    # Pictures inside the page are data: addresses; the page itself is the one file that is read.
    assert [url for url in requests(browser) if not url.startswith("data:")] == [written.as_uri()]


def test_check_sees_a_request_and_a_complaint(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<img src='https://example.org/a.png'><script>console.error('no')</script>", encoding="utf-8"
    )
    browser.open(bad, 420)
    assert "https://example.org/a.png" in requests(browser)
    assert any("no" in line for line in problems(browser))


@pytest.mark.parametrize("width", [1400, 420])
def test_page_never_scrolls_sideways(browser: Browser, written: Path, width: int) -> None:
    browser.open(written, width)
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    wide = browser.evaluate(
        """[...document.querySelectorAll('main *, header *')]
        .filter(e => e.getClientRects().length && !e.closest('.scroll, pre'))
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []


@pytest.mark.parametrize("width", [1400, 420])
def test_no_text_is_drawn_smaller_than_eleven_pixels(browser: Browser, written: Path, width: int) -> None:
    browser.open(written, width)
    smallest = browser.evaluate(
        """Math.min(...[...document.querySelectorAll('body *')]
        .filter(e => e.getClientRects().length)
        .filter(e => [...e.childNodes].some(c => c.nodeType == 3 && c.data.trim()))
        .map(e => {
            const svg = e.closest('svg'), box = svg && svg.viewBox.baseVal;
            const scale = box && box.width ? svg.getBoundingClientRect().width / box.width : 1;
            return parseFloat(getComputedStyle(e).fontSize) * scale;
        }))"""
    )
    assert smallest >= 11


@pytest.mark.parametrize(("width", "shown", "hidden"), [(1400, "wide", "slim"), (420, "slim", "wide")])
def test_each_width_has_its_own_drawing(
    browser: Browser, written: Path, width: int, shown: str, hidden: str
) -> None:
    browser.open(written, width)
    visible = "[...document.querySelectorAll('figure .{}')].every(e => e.getClientRects().length > 0)"
    assert browser.evaluate(visible.format(shown))
    assert browser.evaluate(visible.format(hidden).replace("> 0", "=== 0"))


def test_stimuli_are_drawn_along_the_matrix(browser: Browser, written: Path) -> None:
    browser.open(written, 1400)
    drawn = browser.evaluate("document.querySelectorAll('.first-matrix use').length")
    assert drawn == 2 * 92
    size = browser.evaluate("document.querySelector('.first-matrix use').getBoundingClientRect().width")
    assert size > 15
