"""A credential is planted wherever one may be, and is seen nowhere.

It is looked for in what a program may show of things that went wrong: errors and their causes, tracebacks
with local variables, log lines, reprs, pickles and dumps.
"""

from __future__ import annotations

import base64
import json
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway_stream import Client, GatewayError
from gateway_stream.auth import M2M, PAT, Secret
from gateway_stream.auth.dump import dump, load
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.sources.federation import Federation
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.auth.sources.unified import Unified
from gateway_stream.auth.sources.user import U2M
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.store.login_store import LoginStore
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.testing import FakeGateway, Recorder, Reply
from tests.support.keyrings import TestKeyring, keyring_of_this_machine
from tests.support.planting import Place, a_place, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway_stream.auth.source import TokenSource

TOKEN_PATH: Final = "/oidc/v1/token"
HEX: Final = st.text("0123456789abcdef", min_size=32, max_size=32)
WORDS: Final = st.text("ABCDEFGHabcdefgh0123456789_-", min_size=20, max_size=40)
FORMS: Final = {
    "a form of its own": st.one_of(
        st.builds("dapi{}".format, HEX),
        st.builds("dapi{}-2".format, HEX),
        st.builds("dose{}".format, HEX),
        st.builds("eyJ{}.eyJ{}.{}".format, WORDS, WORDS, WORDS),
    ),
    "no form": st.builds("x{}+9=".format, WORDS),  # and no host's either
}
few: Final = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a smaller token tells no more
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Scene: TypeAlias = "Callable[[Place], Awaitable[None]]"
SCENES: Final[list[Scene]] = []


def scene(function: Scene) -> Scene:
    SCENES.append(function)
    return function


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
@pytest.mark.parametrize("form", FORMS)
@few
@given(data=st.data())
async def test_a_planted_credential_is_seen_nowhere(
    caplog: pytest.LogCaptureFixture, scene: Scene, form: str, data: st.DataObject
) -> None:
    token = data.draw(FORMS[form])
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    with a_place(token) as place:
        await scene(place)
        check(place, caplog)


def bodies(token: str) -> list[Any]:
    """Error bodies that quote what they were sent."""
    return [
        {"error_code": "UNAUTHENTICATED", "message": f"token {token} is not valid"},
        {"error": {"message": f"Bearer {token}", "code": token}},
        {"error": "invalid_client", "error_description": f"the secret {token} is wrong"},
        {"error": token, "error_description": "no"},
        {"errorCode": token, "errorSummary": token},
        f"<html><title>no {token}</title>".encode(),
        f"Authorization: Bearer {token}".encode(),
        {"access_token": f"{token} {token}"},
        {"access_token": [token]},
        json.dumps({"access_token": token})[:-2].encode(),
    ]


STATUSES: Final = (400, 401, 403, 404, 500)


# --- what the gateway is sent and says -------------------------------------------------------


@scene
async def errors_of_the_gateway(place: Place) -> None:
    async with (
        FakeGateway() as gateway,
        Client(host=gateway.url, token=place.token) as client,
    ):
        for body in bodies(place.token):
            for status in STATUSES:
                gateway.default = Reply.error(status, body)
                with place.failing():
                    await client.complete("claude", "hi")
        place.seen += [client, *gateway.requests]


@scene
async def errors_of_the_gateway_for_a_user_of_many(place: Place) -> None:
    source = U2M(StoredLogin(host="https://x.com", access_token=Secret(place.token)))
    async with FakeGateway() as gateway, Client(host=gateway.url) as client:
        for body in bodies(place.token):
            gateway.default = Reply.error(401, body)
            with place.failing():
                await client.complete("claude", "hi", auth=source)
    place.seen.append(source)


# --- what a token endpoint is sent and says --------------------------------------------------


async def jwt_of(token: str) -> str:
    return token


def sources(place: Place, host: str) -> list[TokenSource]:
    secret = Secret(place.token)
    login = StoredLogin(host=host, access_token=secret, refresh_token=secret, expires_at=1.0)
    return [
        M2M(client_id="id", client_secret=secret, host=host),
        M2M(client_id="id", client_secret=secret, host=host, secret_style="form"),
        U2M(login),
        U2M(login, client_secret=secret),
        Federation(subject=lambda: jwt_of(place.token), host=host),
    ]


@scene
async def errors_of_the_token_endpoint(place: Place) -> None:
    async with FakeGateway() as gateway, open_desk(gateway.url) as desk:
        for body in bodies(place.token):
            for status in (200, 400, 401, 403):
                for source in sources(place, gateway.url):
                    gateway.add(Reply.error(status, body), path=TOKEN_PATH)
                    with place.failing():
                        await source.fetch(desk, instead_of=None)
        place.seen += gateway.requests
        place.seen += sources(place, gateway.url)[:-1]


@scene
async def a_token_endpoint_that_fails_while_the_token_serves(place: Place) -> None:
    """The log tells of it."""
    failures = [Reply.error(400, body) for body in bodies(place.token)]
    async with FakeGateway(default=Reply.scripted(text="hello")) as gateway:
        for failure in failures:
            given = Reply.error(200, {"access_token": "good-one", "expires_in": 2})
            gateway.add(given, failure, path=TOKEN_PATH)
            source = M2M(client_id="id", client_secret=Secret(place.token))
            async with Client(host=gateway.url, auth=source) as client:
                await client.complete("claude", "hi")
                service = client._services.of(source)
                state = await client._loops.here()
                with place.failing():
                    await service.replace(await service.credentials(state), state)
                place.seen += [service.trouble, client, vars(service)]


def giving(anything: Any) -> Callable[[], Awaitable[Any]]:
    """A function that no pickle holds."""

    async def give() -> Any:
        return anything

    return give


@scene
async def functions_that_give_no_token(place: Place) -> None:
    """What they give is not told. What they raise is their own, and stands behind the error as its cause."""
    token = place.token
    async with FakeGateway(default=Reply.scripted(text="hello")) as gateway:
        for given in (f"{token}\n", f"Bearer {token}", [token], {"token": token}, token.encode()):
            await place.ask(Client(host=gateway.url, auth=giving(given)))
            federation = Federation(subject=giving(given), host=gateway.url)
            await place.ask(Client(host=gateway.url, auth=federation))

        place.seen.append(repr(vars(Client(host=gateway.url, auth=partial(jwt_of, token)))))

        async def fail() -> str:
            raise RuntimeError(token)

        with pytest.raises(GatewayError) as caught:
            async with Client(host=gateway.url, auth=fail) as client:
                await client.complete("claude", "hi")
        place.seen += [str(caught.value), repr(caught.value), repr(vars(caught.value))]
        assert isinstance(caught.value.__cause__, RuntimeError)


@scene
async def discovery_that_leads_astray(place: Place) -> None:
    token = place.token
    documents = [
        {"oidc_endpoint": f"https://user:{token}@x.com"},
        {"oidc_endpoint": token},
        {"token_endpoint": f"http://{token}@127.0.0.1:1/token"},
        {"token_endpoint": token, "authorization_endpoint": token},
    ]
    for document in documents:
        async with FakeGateway() as gateway:
            reply = Reply.error(200, document)
            for path in (
                "/.well-known/databricks-config",
                "/oidc/.well-known/oauth-authorization-server",
            ):
                gateway.add(reply, path=path)
            async with open_desk(gateway.url) as desk:
                with place.failing():
                    await desk.endpoints(gateway.url)
                for source in sources(place, gateway.url):
                    with place.failing():
                        await source.fetch(desk, instead_of=None)
    place.seen.append(documents[0].keys())


# --- what settings say -----------------------------------------------------------------------

HOST: Final = "https://adb-1.1.azuredatabricks.net"


@scene
async def settings_in_the_environment(place: Place) -> None:
    token = place.token
    environments: list[dict[str, str]] = [
        {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": token},
        {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": f"{token}\n"},
        {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": f"Bearer {token}"},
        {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": token, "DATABRICKS_API_KEY": "other"},
        {"DATABRICKS_TOKEN": token},
        {"DATABRICKS_TOKEN": f"{HOST}::{token}"},
        {"DATABRICKS_TOKEN": f"{token}::{token}"},
        {"DATABRICKS_HOST": f"{HOST}", "DATABRICKS_TOKEN": f"https://x.com::{token}"},
        {"DATABRICKS_HOST": token},
        {"DATABRICKS_HOST": f"https://{token}@x.com"},
        {"DATABRICKS_HOST": f"{HOST}?token={token}"},
        {"DATABRICKS_API_BASE": f"{HOST}/{token}?x"},
        {"DATABRICKS_HOST": HOST, "DATABRICKS_CLIENT_ID": "x", "DATABRICKS_CLIENT_SECRET": token},
        {
            "DATABRICKS_HOST": HOST,
            "DATABRICKS_CLIENT_ID": "x",
            "DATABRICKS_CLIENT_SECRET": f"{token}\n",
        },
        {
            "DATABRICKS_HOST": HOST,
            "DATABRICKS_TOKEN": token,
            "DATABRICKS_CLIENT_ID": "x",
            "DATABRICKS_CLIENT_SECRET": token,
        },
        {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": token, "DATABRICKS_AUTH_TYPE": "nothing"},
        {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": token, "DATABRICKS_WORKSPACE_ID": "a b"},
        {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": token, "DATABRICKS_CONFIG_PROFILE": "no"},
        {"DATABRICKS_HOST": HOST, "HTTPS_PROXY": f"http://user:{token}@proxy.example:1"},
        {"DATABRICKS_HOST": HOST, "HTTPS_PROXY": f"http://user:{token}@proxy.example:x"},
    ]
    for environment in environments:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with place.failing():
                place.seen.append(Client())
                place.seen.append(place.seen[-1].__dict__.get("_settings"))


@scene
async def settings_as_arguments(place: Place) -> None:
    token = place.token
    arguments: list[dict[str, Any]] = [
        {"host": HOST, "token": token},
        {"host": HOST, "token": f"{token}\n"},
        {"host": HOST, "token": f"https://other.com::{token}"},
        {"host": HOST, "token": f"{token}::"},
        {"host": token, "token": token},
        {"host": f"https://{token}@x.com"},
        {"host": f"{HOST}/{token}/serving"},
        {"host": f"{HOST}#{token}"},
        {"host": HOST, "gateway_host": f"https://{token}@x.com", "token": token},
        {"host": HOST, "token": token, "profile": "nobody"},
        {"host": HOST, "token": token, "family": "nothing"},
        {"host": HOST, "token": token, "pool_size": 0},
        {"host": HOST, "token": token, "auth": PAT(Secret(token))},
        {"host": HOST, "token": token, "ssl": True},
        {"host": HOST, "auth": token},
        {"host": HOST, "proxy": f"http://user:{token}@proxy.example:x"},
    ]
    for given_ones in arguments:
        with place.failing():
            place.seen.append(Client(**given_ones))


@scene
async def settings_in_a_profile(place: Place) -> None:
    token = place.token
    texts = [
        f"[DEFAULT]\nhost = {HOST}\ntoken = {token}\n",
        f"[DEFAULT]\nhost = {HOST}\ntoken = {token}\n{token}\n",
        f"{token}\n[DEFAULT]\nhost = {HOST}\n",
        f"[DEFAULT]\nhost = {HOST}\ntoken = Bearer {token}\n",
        f"[DEFAULT]\nhost = {HOST}\ntoken = {token}\ntoken = {token}\n",
        f"[DEFAULT]\nhost = {token}\n",
        f"[DEFAULT]\nhost = https://{token}@x.com\ntoken = {token}\n",
        f"[DEFAULT]\nhost = {HOST}\ntoken = {token}\nclient_id = x\nclient_secret = {token}\n",
        f"[DEFAULT]\nhost = {HOST}\nclient_id = x\nclient_secret = {token} x\n",
        f"[other]\nhost = {HOST}\ntoken = {token}\n[__settings__]\ndefault_profile = no\n",
        f"[DEFAULT]\nhost = {HOST}\nusername = x\npassword = {token}\nauth_type = basic\n",
    ]
    for text in texts:
        place.file(".databrickscfg", text)
        with place.failing():
            place.seen.append(Client())
            place.seen.append(place.seen[-1].__dict__.get("_settings"))


# --- what the store keeps --------------------------------------------------------------------


def kept_login(place: Place, host: str) -> KeptLogin:
    secret = Secret(place.token)
    login = StoredLogin(host=host, access_token=secret, refresh_token=secret, expires_at=1.0)
    return KeptLogin(login=login, client_secret=secret)


def spoil(place: Place, suffix: str, text: str) -> None:
    for path in place.folder.glob(f"home/logins/*{suffix}"):
        path.write_text(text)


@scene
async def a_stored_login(place: Place) -> None:
    store = LoginStore()
    async with FakeGateway() as gateway:
        source = StoredLoginSource(host=gateway.url)
        await store.save(kept_login(place, gateway.url))
        place.seen += [store, source, await store.find(gateway.url), kept_login(place, HOST)]
        for body in bodies(place.token):
            gateway.add(Reply.error(400, body), path=TOKEN_PATH)
            await place.ask(Client(host=gateway.url, auth=source))
        place.seen.append(await store.read(kept_login(place, gateway.url).key))
        whole = kept_login(place, gateway.url).written()
        place.seen.append(repr({"written": whole}))
        for text in (whole[:-3], place.token, f'{{"login": {whole}', whole + whole):
            for suffix in (".secret", ".json"):
                await store.save(kept_login(place, gateway.url))
                spoil(place, suffix, str(text))
                await place.ask(Client(host=gateway.url, auth=source))


@scene
async def a_keyring_that_tells_what_it_was_told(place: Place) -> None:
    backend = TestKeyring()
    place.patch.setenv("DATABRICKS_AUTH_STORAGE", "secure")
    with keyring_of_this_machine(backend):
        await LoginStore().save(kept_login(place, HOST))
        backend.locked = True
        for action in (
            LoginStore().read(kept_login(place, HOST).key),
            LoginStore().remove(HOST),
            LoginStore(rests="keyring").save(kept_login(place, HOST)),
            LoginStore().save(kept_login(place, HOST)),
        ):
            with place.failing():
                await action


@scene
async def a_folder_that_cannot_be_written(place: Place) -> None:
    place.patch.setenv("GATEWAY_STREAM_HOME", str(place.file("home", "a file")))
    with place.failing():
        await LoginStore().save(kept_login(place, HOST))


@scene
async def hosts_that_are_credentials(place: Place) -> None:
    for host in (place.token, f"https://{place.token}@x.com", f"https://x.com:{place.token}"):
        for action in (LoginStore().find(host), LoginStore().remove(host)):
            with place.failing():
                await action
    place.seen.append(await LoginStore().entries())


# --- what goes elsewhere ---------------------------------------------------------------------


@scene
async def data_of_sources(place: Place) -> None:
    secret = Secret(place.token)
    for source in (
        *sources(place, HOST)[:-1],
        PAT(secret),
        Unified(settings={"password": place.token, "username": "x"}),
    ):
        place.seen += [source, dump(source)]
        data = dump(source, expose_secrets=True)
        data["more"] = 1
        with place.failing():
            load(data)


@scene
async def cassettes(place: Place) -> None:
    recorder = Recorder(place.folder / "cassettes")
    replies = [Reply.error(status, body) for body in bodies(place.token) for status in (200, 400)]
    async with FakeGateway(default=Reply.scripted(text=place.token)) as gateway:
        gateway.add(*replies)
        for _ in range(len(replies) + 1):
            client = Client(host=gateway.url, token=place.token, recorder=recorder, retry="never")
            with suppress(GatewayError):
                async with client:
                    await client.complete("claude", f"my token is {place.token}")
    paths = await recorder.saved()
    assert len(paths) == len(replies) + 1
    place.seen += [recorder, *(path.read_text() for path in paths)]


def test_the_search_finds_what_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    token = "planted-and-to-be-found"

    def lose(headers: dict[str, str]) -> None:
        raise GatewayError(f"nothing of {len(headers)}")  # noqa: EM102, TRY003

    with a_place(token) as place:
        for seen in (
            ValueError(token),
            {"a": token},
            f"Basic {base64.b64encode(f'user:{token}'.encode()).decode()}",
            ExceptionGroup("several", [ValueError(token)]),
            StoredLogin(host=token, access_token=Secret("x")),
        ):
            place.seen = [seen]
            with pytest.raises(AssertionError):
                check(place, caplog)
        code = compile("def show(token):\n    raise ValueError('no')\n", "elsewhere.py", "exec")
        names: dict[str, Any] = {}
        exec(code, names)  # noqa: S102  a frame that is no test's
        place.seen = []
        with place.failing():
            names["show"](token)
        with pytest.raises(AssertionError):
            check(place, caplog)
        place.seen = [None]
        check(place, caplog)
        logging.getLogger("x").warning("%s", token)
        with pytest.raises(AssertionError):
            check(place, caplog)
    with suppress(GatewayError):
        lose({})
