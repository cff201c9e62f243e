"""`itop serve` in a process of its own, spoken to as browsers, other programs and other sites would."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("textual_serve", reason="the extra serve is not installed")
import aiohttp

from itop_tui.cli import application
from tests.patience import PATIENCE, wait_for

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Served:
    """A server that runs, and what it printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.printed = folder / "printed"
        # Packages of the very names of itop's own, in the folder it is started from.
        for name in ("itop_tui", "engine", "db"):
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(f"open({str(folder / 'was-run')!r}, 'w')\nraise SystemExit(9)\n")
        self.foreign = folder / "was-run"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "itop_tui", "serve", "--port", str(self.port), *options],
            env={**os.environ, "ITOP_HOME": str(folder / "home"), "COLUMNS": "300"},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=self.printed.open("wb"),
            start_new_session=True,
        )
        wait_for(lambda: self.tokens() or self.process.poll() is not None, "a link")
        assert self.process.poll() is None, self.printed.read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tokens(self) -> list[str]:
        return re.findall(r"\?token=(\S+)", self.printed.read_text())

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def admit(self) -> str:
        """Open the newest link as a browser does; gives the cookie."""
        links = len(self.tokens())
        answer = self.get(f"/?token={self.tokens()[-1]}&fontsize=12")
        assert (answer.status, answer.headers["Location"]) == (302, f"{self.url}/?fontsize=12")
        wait_for(lambda: len(self.tokens()) > links, "a new link")
        return answer.headers["Set-Cookie"].split(";")[0]

    def apps(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children() if child.is_running()]

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("served"), "--sessions", "2")
    yield made
    made.end()


def test_the_address_alone_opens_nothing(served: Served) -> None:
    for path in ("/", "/static/js/textual.js", "/download/x", "/?token=", "/?token=guess", "/?token=%ff"):
        answer = served.get(path)
        assert answer.status == 403, path
        assert b"link" in answer.read()
    # Another account of this machine, with a program that says it is the app's own page.
    assert served.get("/ws", **UPGRADE, Origin=served.url).status == 403
    assert served.get("/ws", **UPGRADE, Origin=served.url, Cookie=f"itop_{served.port}=guess").status == 403
    assert served.apps() == []


def test_a_link_works_once_and_a_new_one_is_printed(served: Served) -> None:
    token = served.tokens()[-1]
    cookie = served.admit()
    assert served.get(f"/?token={token}").status == 403
    assert served.get(f"/?token={token}", Cookie=cookie).status == 302, "reloaded in its own browser"
    page = served.get("/", Cookie=cookie)
    assert page.status == 200
    assert b"itop" in page.read()
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert served.admit() != cookie
    assert served.get("/", Cookie=cookie).status == 200, "the first browser stays"


def test_the_cookie_is_for_this_page_alone(served: Served) -> None:
    answer = served.get(f"/?token={served.tokens()[-1]}")
    set_cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in set_cookie
    assert "SameSite=Strict" in set_cookie


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1:nine"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://evil.example:{port}", "Host": "evil.example:{port}"},
        {"Origin": "http://127.0.0.1:{port}", "Host": "evil.example:{port}"},
        {},
    ],
)
def test_with_the_cookie_too_only_its_own_page_is_answered(served: Served, headers: dict[str, str]) -> None:
    cookie = served.admit()
    filled = {name: value.replace("{port}", str(served.port)) for name, value in headers.items()}
    assert served.get("/ws", **UPGRADE, Cookie=cookie, **filled).status == 403
    assert served.apps() == []


def test_another_name_of_this_machine_leads_to_the_own_one(served: Served) -> None:
    answer = served.get("/?token=x", Host=f"localhost:{served.port}")
    assert (answer.status, answer.headers["Location"]) == (302, f"{served.url}/?token=x")


async def test_a_browser_is_shown_the_app_and_a_third_page_is_refused(served: Served) -> None:
    cookie = served.admit()
    name, value = cookie.split("=", 1)
    async with aiohttp.ClientSession(cookies={name: value}, headers={"Origin": served.url}) as session:
        sockets = [await session.ws_connect(f"{served.url}/ws?width=100&height=30") for _ in range(2)]
        shown = b""
        while b"runs" not in shown:
            message = await sockets[0].receive(timeout=PATIENCE)
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
            shown += message.data if isinstance(message.data, bytes) else message.data.encode()
        async with session.get(f"{served.url}/ws", headers=UPGRADE) as answer:
            assert answer.status == 503
        async with session.get(served.url) as answer:
            assert answer.status == 503
            assert "2 apps are open here" in await answer.text()
        assert not served.foreign.exists(), "a package of the current folder was run"
        await sockets[0].send_str("no message of the page")  # ends this one alone
        await sockets[1].close()
    wait_for(lambda: not served.apps(), "the apps to end")
    assert served.get("/", Cookie=cookie).status == 200


async def test_an_idle_app_is_ended_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    served = Served(tmp_path, "--idle", "2s")
    try:
        name, value = served.admit().split("=", 1)
        async with aiohttp.ClientSession(cookies={name: value}, headers={"Origin": served.url}) as session:
            socket_ = await session.ws_connect(f"{served.url}/ws")
            message = await socket_.receive(timeout=PATIENCE)
            while message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                message = await socket_.receive(timeout=PATIENCE)
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        wait_for(lambda: not served.apps(), "the apps to end")
        os.kill(served.process.pid, signal.SIGINT)
        assert served.process.wait(PATIENCE) == 0
    finally:
        if served.process.poll() is None:
            served.end()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--port", "99999"], "--port = 99999: must be a whole number from 1 to 65535"),
        (["--sessions", "0"], "--sessions = 0: must be a whole number from 1 to 64"),
        (["--idle", "soon"], "--idle = soon: must be a length of time above 0"),
        (["--public-url", "itop.example"], "--public-url = itop.example: must be an address such as https://"),
        (["--public-url", "http://a:nine"], "--public-url = http://a:nine: must be an address such as https://"),
    ],
)
def test_wrong_options_are_refused(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert application.run(["serve", *words]) == 2
    assert problem in " ".join(capsys.readouterr().err.split())


def test_a_port_that_is_taken_is_refused_before_a_link_is_printed(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert application.run(["serve", "--port", str(served.port)]) == 1
    printed = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{served.port}" in printed
    assert "token" not in printed
