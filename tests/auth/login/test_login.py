"""Logging in from a terminal: by the browser here, by a code, by hand."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from gateway_stream.auth.authority import Desk
from gateway_stream.auth.login.interactive import has_browser, log_in
from gateway_stream.auth.login.loopback import PORTS, Loopback, listen
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.login.pkce import Login
from gateway_stream.errors import AuthError, ConfigError, GatewayError, TimedOut
from gateway_stream.testing import DeviceFlow, FakeGateway, Fault, Issuer, Reply
from tests.auth.people import query_of, visit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway_stream.auth.stored import StoredLogin

ANY_PORT = "http://localhost:0"
STATE = "the-state"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DATABRICKS_") or name.lower().endswith("_proxy") or "CERT" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("BROWSER", "a-browser")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(user="ann@example.com")


@pytest.fixture
async def gateway(issuer: Issuer, anyio_backend: object) -> AsyncIterator[FakeGateway]:  # noqa: ARG001
    async with FakeGateway(issuer=issuer) as gateway:
        yield gateway


@pytest.fixture
def login(gateway: FakeGateway) -> Login:
    return Login(host=gateway.url, redirect_uri=ANY_PORT)


class Person:
    """Reads what is shown and answers what is asked."""

    def __init__(self, *answers: str) -> None:
        self.shown: list[str] = []
        self.asked: list[str] = []
        self.answers = list(answers)

    def show(self, line: str) -> None:
        self.shown.append(line)

    async def ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answers.pop(0)

    @property
    def url(self) -> str:
        """The address that was shown last."""
        return next(word for line in reversed(self.shown) for word in line.split() if "://" in word)


class Hurried(Person):
    """Logs in with a browser elsewhere, and brings back the address that it ended at."""

    def __init__(self, take: str = "{address}") -> None:
        super().__init__()
        self.take = take

    async def ask(self, question: str) -> str:
        self.asked.append(question)
        url = next(word for word in self.shown[0].split() if "://" in word)
        address = await visit(url, "http://localhost:")
        return self.take.format(address=address, **query_of(address))


def browse(url: str) -> bool:
    """A browser that follows every redirect, and reads the page that it ends at."""
    jar = urllib.request.HTTPCookieProcessor(CookieJar())
    direct = urllib.request.ProxyHandler({})
    with urllib.request.build_opener(jar, direct).open(url, timeout=20) as page:
        return b"go back" in page.read()


# --- the browser of this machine -------------------------------------------------------------


async def test_a_browser_here_logs_in(login: Login, gateway: FakeGateway) -> None:
    person = Person()
    stored = await log_in(login, show=person.show, ask=person.ask, browse=browse)
    assert stored.host == gateway.url
    assert stored.refresh_token is not None
    assert person.url.startswith(f"{gateway.url}/oidc/v1/authorize?")
    assert not person.asked


async def test_the_browser_that_the_environment_names_is_opened(
    gateway: FakeGateway,
) -> None:
    player = "import sys\nfrom tests.auth.login.test_login import browse\nbrowse(sys.argv[1])"
    program = (
        "import anyio, functools, sys\n"
        "from gateway_stream.auth.login.interactive import log_in\n"
        "from gateway_stream.auth.login.pkce import Login\n"
        f"login = Login(host={gateway.url!r}, redirect_uri={ANY_PORT!r})\n"
        "stored = anyio.run(functools.partial(log_in, login, show=print, ask=None))\n"
        "print('scopes', *stored.scopes)\n"
    )
    browser = f"{sys.executable} -c '{player}' %s"
    root = str(Path(__file__).parents[2])
    with anyio.fail_after(30):
        done = await anyio.run_process(
            [sys.executable, "-c", program],
            env={**os.environ, "BROWSER": browser, "PYTHONPATH": root},
        )
    assert b"scopes all-apis offline_access" in done.stdout


async def test_a_browser_that_stays_open_holds_nobody_up(login: Login) -> None:
    closed = threading.Event()

    def browse_and_stay(url: str) -> bool:
        browse(url)
        return closed.wait(20)

    person = Person()
    await log_in(login, show=person.show, ask=person.ask, browse=browse_and_stay)
    (waiting,) = (each for each in threading.enumerate() if each.name.endswith(": browser"))
    assert waiting.daemon  # the program may end before the browser
    closed.set()
    await anyio.to_thread.run_sync(waiting.join)


async def test_a_person_who_refuses_is_no_login(login: Login, issuer: Issuer) -> None:
    issuer.user = None
    person = Person()
    with pytest.raises(AuthError, match="refused") as caught:
        await log_in(login, show=person.show, ask=person.ask, browse=browse)
    assert caught.value.code == "access_denied"


async def test_nobody_is_waited_for_for_ever(login: Login) -> None:
    person = Person()
    with pytest.raises(TimedOut, match="nobody came back"):
        await log_in(login, show=person.show, ask=person.ask, browse=lambda _: True, seconds=0.05)


def no_browser(_: str) -> bool:
    raise OSError


@pytest.mark.parametrize("browser", [no_browser, lambda _: False], ids=["raises", "says no"])
async def test_where_no_browser_opens_the_way_by_hand_is_left(
    login: Login, browser: Callable[[str], bool]
) -> None:
    person = Person("")
    with pytest.raises(AuthError, match="nothing was pasted"):
        await log_in(login, show=person.show, ask=person.ask, browse=browser, seconds=5)
    assert "No browser could be opened." in person.shown


@pytest.mark.parametrize(
    ("environ", "platform", "there"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"BROWSER": "w3m"}, "linux", True),
        ({"BROWSER": ""}, "linux", False),
        ({"SSH_CONNECTION": "1 2 3 4", "DISPLAY": "localhost:10.0"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
        ({"SSH_CONNECTION": "1 2 3 4"}, "darwin", False),
    ],
)
def test_a_browser_is_there_where_it_would_be_seen(
    environ: dict[str, str], platform: str, there: bool
) -> None:
    assert has_browser(environ, platform) is there


# --- the port that it comes back to ----------------------------------------------------------


class Wait:
    """A login that is waited for at a loopback, in the background."""

    def __init__(self, loopback: Loopback) -> None:
        self.loopback = loopback
        self.port = int(loopback.redirect_uri.rpartition(":")[2].partition("/")[0])
        self.came_back: str | None = None

    async def run(self) -> None:
        self.came_back = await self.loopback.came_back(STATE)

    async def send(self, request: bytes, address: str = "127.0.0.1") -> bytes:
        """Send bytes and give all that comes back."""
        async with await anyio.connect_tcp(address, self.port) as stream:
            await stream.send(request)
            return b"".join([piece async for piece in stream])

    async def get(self, target: str, headers: str = "") -> bytes:
        return await self.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())


@pytest.fixture
async def wait(anyio_backend: object) -> AsyncIterator[Wait]:  # noqa: ARG001
    async with listen(ANY_PORT) as loopback, anyio.create_task_group() as group:
        wait = Wait(loopback)
        group.start_soon(wait.run)
        yield wait
        group.cancel_scope.cancel()


RIGHT = f"/?code=abc&state={STATE}"


async def settled(wait: Wait) -> str:
    with anyio.fail_after(5):
        while wait.came_back is None:
            await anyio.lowlevel.checkpoint()
    return wait.came_back


async def test_the_request_with_the_right_state_is_taken(wait: Wait) -> None:
    page = await wait.get(RIGHT)
    assert page.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"You can go back" in page
    assert b"abc" not in page
    assert await settled(wait) == RIGHT


async def test_a_refused_login_is_taken_and_its_page_says_so(wait: Wait) -> None:
    target = f"/?error=access_denied&state={STATE}"
    assert b"refused" in await wait.get(target)
    assert await settled(wait) == target


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("GET /favicon.ico HTTP/1.1", 404),
        (f"GET /elsewhere{RIGHT[1:]} HTTP/1.1", 404),
        ("GET / HTTP/1.1", 400),
        ("GET /?code=abc&state=another HTTP/1.1", 400),
        ("GET /?error=access_denied HTTP/1.1", 400),
        (f"POST {RIGHT} HTTP/1.1", 405),
        (f"HEAD {RIGHT} HTTP/1.1", 405),
        (f"GET {RIGHT}", 400),
        ("\x16\x03\x01\x02", 400),
    ],
)
async def test_any_other_request_is_answered_and_waited_on(
    wait: Wait, request_head: str, status: int
) -> None:
    answer = await wait.send(f"{request_head}\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert wait.loopback.target is None
    await wait.get(RIGHT)
    assert await settled(wait) == RIGHT


async def test_a_login_whose_code_is_none_is_over_at_once(wait: Wait) -> None:
    target = f"/?code=a%20b&state={STATE}"
    assert b"refused" in await wait.get(target)
    assert await settled(wait) == target


async def test_a_connection_that_sends_nothing_is_not_waited_for(wait: Wait) -> None:
    async with await anyio.connect_tcp("127.0.0.1", wait.port):
        await wait.get(RIGHT)
        assert await settled(wait) == RIGHT


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("sent", [b"", b"GET /?co"])
async def test_a_connection_that_ends_early_ends_nothing_else(
    wait: Wait, sent: bytes, reset: bool
) -> None:
    with socket.create_connection(("127.0.0.1", wait.port)) as connection:
        if reset:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.sendall(sent)
    await wait.get(RIGHT)
    assert await settled(wait) == RIGHT


async def test_headers_may_be_long_and_come_in_pieces(wait: Wait) -> None:
    async with await anyio.connect_tcp("127.0.0.1", wait.port) as stream:
        for piece in (f"GET {RIGHT} HT", "TP/1.1\r\nCookie: ", "x" * 100_000, "\r\n\r", "\n"):
            await stream.send(piece.encode())
        assert (await stream.receive()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await settled(wait) == RIGHT


async def send_for_ever(port: int) -> None:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        while True:
            await stream.send(b"x" * 1024 * 1024)


async def test_headers_without_end_are_not_read_for_ever(wait: Wait) -> None:
    with anyio.fail_after(5), pytest.raises(anyio.BrokenResourceError):
        await send_for_ever(wait.port)
    assert wait.loopback.target is None


async def test_nobody_but_this_machine_can_come(wait: Wait) -> None:
    for listener in wait.loopback._listener.listeners:  # type: ignore[attr-defined]
        address, *_ = listener.extra(anyio.abc.SocketAttribute.local_address)  # noqa: S610  no Django
        assert address in ("127.0.0.1", "::1")


async def test_both_kinds_of_addresses_are_listened_on(wait: Wait) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    request = f"GET {RIGHT} HTTP/1.1\r\n\r\n".encode()
    assert b"200 OK" in await wait.send(request, "::1")


async def test_an_apps_own_path_is_listened_for() -> None:
    async with listen("http://127.0.0.1:0/oauth/back") as loopback:
        assert loopback.redirect_uri.endswith("/oauth/back")
        wait = Wait(loopback)
        async with anyio.create_task_group() as group:
            group.start_soon(wait.run)
            assert b" 404 " in await wait.get(RIGHT)
            await wait.get("/oauth/back" + RIGHT[1:])
        assert wait.came_back == "/oauth/back" + RIGHT[1:]


async def test_the_next_port_is_taken_where_one_is_in_use() -> None:
    async with listen() as first, listen() as second:
        ports = [int(each.redirect_uri.rpartition(":")[2]) for each in (first, second)]
    assert ports == sorted(set(ports))
    assert set(ports) <= set(PORTS)


async def test_an_apps_own_port_is_the_only_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use"):
            async with listen(f"http://localhost:{port}"):
                pass


@pytest.mark.parametrize(
    "uri",
    [
        "https://localhost:8020",
        "http://localhost",
        "http://chat.example.com:8020",
        "http://localhost:eighty",
        "http://0.0.0.0:8020",
        "",
    ],
)
async def test_a_browser_comes_back_to_this_machine_or_nowhere(uri: str) -> None:
    with pytest.raises(ConfigError, match="localhost"):
        async with listen(uri):
            pass


# --- a code ----------------------------------------------------------------------------------


class FastClock:
    """A clock whose time passes when it is waited for; tells the issuer too."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.waits: list[float] = []
        self.then: list[Callable[[], object]] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)
        if self.then:
            self.then.pop(0)()
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest.fixture
async def device_desk(
    issuer: Issuer, gateway: FakeGateway, clock: FastClock
) -> AsyncIterator[Desk]:
    issuer.clock = clock
    issuer.device = DeviceFlow(interval=5, lifetime=600)
    async with open_desk(gateway.url) as desk:
        yield Desk(desk.calls, clock, workspace=gateway.url, known={})


async def by_device(login: Login, desk: Desk, person: Person) -> StoredLogin:
    return await log_in(login, show=person.show, ask=person.ask, open_browser=False, desk=desk)


async def test_a_code_that_is_shown_logs_in(
    login: Login, device_desk: Desk, issuer: Issuer, clock: FastClock
) -> None:
    person, shown = Person(), list[str]()
    clock.then = [
        lambda: shown.extend(issuer.user_codes),
        int,
        lambda: issuer.approve(issuer.user_codes[0]),
    ]
    stored = await by_device(login, device_desk, person)
    assert stored.refresh_token is not None
    assert clock.waits == [5, 5, 5]
    assert not person.asked
    assert any(word in line for word in shown for line in person.shown)


async def test_a_server_that_wants_to_be_asked_less_is_asked_less(
    login: Login, device_desk: Desk, issuer: Issuer, gateway: FakeGateway, clock: FastClock
) -> None:
    for error in ("slow_down", "authorization_pending", "slow_down"):
        gateway.add(Reply.error(400, {"error": error}), path="/oidc/v1/token")
    clock.then = [int, int, int, lambda: issuer.approve(issuer.user_codes[0])]
    await by_device(login, device_desk, Person())
    assert clock.waits == [5, 10, 10, 15]


async def test_a_server_that_cannot_answer_is_asked_less(
    login: Login, device_desk: Desk, issuer: Issuer, clock: FastClock
) -> None:
    issuer.faults.append(Fault(no_response=True))
    clock.then = [int, lambda: issuer.approve(issuer.user_codes[0])]
    stored = await by_device(login, device_desk, Person())
    assert clock.waits == [5, 10]
    assert stored.refresh_token is not None


async def test_a_code_that_nobody_enters_expires(
    login: Login, device_desk: Desk, clock: FastClock
) -> None:
    with pytest.raises(AuthError, match="in time") as caught:
        await by_device(login, device_desk, Person())
    assert caught.value.code == "expired_token"
    assert sum(clock.waits) == 600


async def test_nobody_waits_longer_than_the_code_lives(
    login: Login, device_desk: Desk, issuer: Issuer, clock: FastClock
) -> None:
    issuer.device = DeviceFlow(interval=1e9, lifetime=600)
    with pytest.raises(AuthError, match="in time"):
        await by_device(login, device_desk, Person())
    assert clock.waits == [600]


async def test_a_person_may_forbid_it(
    login: Login, device_desk: Desk, issuer: Issuer, clock: FastClock
) -> None:
    clock.then = [lambda: issuer.deny(issuer.user_codes[0])]
    with pytest.raises(AuthError) as caught:
        await by_device(login, device_desk, Person())
    assert caught.value.code == "access_denied"


async def test_an_app_that_may_not_show_codes_is_logged_in_by_hand(
    login: Login, device_desk: Desk, gateway: FakeGateway
) -> None:
    gateway.add(
        Reply.error(400, {"error": "unauthorized_client"}), path="/oidc/v1/device/authorize"
    )
    person = Hurried()
    await by_device(login, device_desk, person)
    assert person.asked


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"device_code": "d", "user_code": "\x1b[2J", "verification_uri": "https://h"},
        {"device_code": "d", "user_code": "C", "verification_uri": "https://h\nhttps://evil"},
        {"device_code": ["d"], "user_code": "C", "verification_uri": "https://h"},
    ],
)
async def test_a_code_that_cannot_be_shown_is_not_shown(
    login: Login, device_desk: Desk, gateway: FakeGateway, told: dict[str, object]
) -> None:
    gateway.add(Reply.error(200, told), path="/oidc/v1/device/authorize")
    person = Hurried()
    await by_device(login, device_desk, person)
    assert person.asked
    assert "\x1b" not in "".join(person.shown)


# --- by hand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "take", ["{address}", "  {address}\n", "code={code}&state={state}", "{code}", " {code} "]
)
async def test_what_the_browser_ended_at_can_be_pasted(
    login: Login, gateway: FakeGateway, take: str
) -> None:
    person = Hurried(take)
    stored = await log_in(login, show=person.show, ask=person.ask, open_browser=False)
    assert stored.host == gateway.url


async def test_a_machine_without_a_screen_opens_no_browser(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    person = Hurried()

    def never(url: str) -> bool:
        person.shown.append(f"opened {url}")
        return False

    await log_in(login, show=person.show, ask=person.ask, browse=never)
    assert person.asked
    assert not [line for line in person.shown if "opened" in line]


@pytest.mark.parametrize(
    ("take", "says"),
    [
        ("http://localhost:8020/?code={code}&state=another", "another login"),
        ("http://localhost:8020/?code={code}", "another login"),
        ("http://localhost:8020/?error=access_denied&state={state}", "refused"),
        ("not-the-code", "gives no token"),
    ],
)
async def test_what_is_not_of_this_login_is_refused(login: Login, take: str, says: str) -> None:
    person = Hurried(take)
    with pytest.raises(GatewayError, match=says) as caught:
        await log_in(login, show=person.show, ask=person.ask, open_browser=False)
    assert isinstance(caught.value, AuthError)
