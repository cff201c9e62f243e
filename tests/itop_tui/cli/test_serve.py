from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("textual_serve", reason="the extra serve is not installed")
import aiohttp

from itop_tui.cli import application
from itop_tui.cli.origin import is_own
from tests.patience import PATIENCE

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("origin", "public_url", "own"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("http://localhost:8000", "http://127.0.0.1:8000", True),
        ("http://[::1]:8000", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8000", "http://localhost:8000", True),
        ("http://localhost", "http://127.0.0.1", True),
        ("https://itop.example", "https://itop.example", True),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8000", False),
        ("http://localhost:8000", "https://itop.example", False),
        ("http://localhost:8000", "http://0.0.0.0:8000", False),
        ("http://localhost:nine", "http://127.0.0.1:8000", False),
        ("http://localhost.evil.example:8000", "http://127.0.0.1:8000", False),
        ("https://evil.example", "http://127.0.0.1:8000", False),
        ("null", "http://127.0.0.1:8000", False),
        ("", "http://127.0.0.1:8000", False),
    ],
)
def test_only_its_own_pages_may_talk_to_it(origin: str, public_url: str, own: bool) -> None:
    assert is_own(origin, public_url) is own


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """`itop serve` in a process of its own; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    home: Path = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [sys.executable, "-m", "itop_tui", "serve", "--port", str(port)],
        env={**os.environ, "ITOP_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.05)
    yield port
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answer(port: int, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_the_page_is_there(server: int) -> None:
    response = answer(server, "/", {})
    assert response.status == 200
    assert b"itop" in response.read()


def test_a_foreign_page_is_refused_and_the_own_one_is_not(server: int) -> None:
    assert answer(server, "/ws", {**UPGRADE, "Origin": "https://evil.example"}).status == 403
    rebound = f"evil.example:{server}"
    assert answer(server, "/ws", {**UPGRADE, "Origin": f"http://{rebound}", "Host": rebound}).status == 403
    assert answer(server, "/ws", {**UPGRADE, "Origin": f"http://127.0.0.1:{server}"}).status == 101
    assert answer(server, "/ws", {**UPGRADE, "Origin": f"http://localhost:{server}"}).status == 101


async def test_a_browser_is_shown_the_app(server: int) -> None:
    shown = b""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://127.0.0.1:{server}/ws?width=100&height=30") as socket_,
    ):
        while b"runs" not in shown:
            message = await socket_.receive(timeout=PATIENCE)
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
            shown += message.data if isinstance(message.data, bytes) else message.data.encode()


def test_a_port_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert application.run(["serve", "--port", "99999"]) == 2
    assert "--port = 99999: must be a whole number from 1 to 65535" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(server: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert application.run(["serve", "--port", str(server)]) == 1
    assert f"cannot listen on 127.0.0.1:{server}" in capsys.readouterr().err
