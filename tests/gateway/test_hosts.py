"""Addresses as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import Base, is_databricks, parse_base

W = "https://acme.cloud.databricks.com"
G = "https://123.ai-gateway.cloud.databricks.com"


@pytest.mark.parametrize(
    ("text", "whole", "surface"),
    [
        pytest.param(W, f"{W}/ai-gateway", "gateway", id="a workspace means its gateway"),
        pytest.param("acme.cloud.databricks.com", f"{W}/ai-gateway", "gateway", id="no scheme"),
        pytest.param(
            "//acme.cloud.databricks.com", f"{W}/ai-gateway", "gateway", id="only slashes"
        ),
        pytest.param(f"  {W}\n", f"{W}/ai-gateway", "gateway", id="blanks around"),
        pytest.param(f"{W}///", f"{W}/ai-gateway", "gateway", id="slashes at the end"),
        pytest.param(f"{W}:443/", f"{W}/ai-gateway", "gateway", id="the scheme's own port"),
        pytest.param(f"{W}.", f"{W}/ai-gateway", "gateway", id="a dot at the end of the name"),
        pytest.param(W.upper(), f"{W}/ai-gateway", "gateway", id="upper case"),
        pytest.param(f"{W}/?o=42", f"{W}/ai-gateway?o=42", "gateway", id="a workspace id"),
        pytest.param(f"{W}?", f"{W}/ai-gateway", "gateway", id="an empty query"),
        pytest.param(f"{W}/ai-gateway/", f"{W}/ai-gateway", "gateway", id="the gateway's path"),
        pytest.param(
            f"{W}/ai-gateway/mlflow/v1", f"{W}/ai-gateway", "gateway", id="an OpenAI SDK's base"
        ),
        pytest.param(
            f"{W}/ai-gateway/anthropic", f"{W}/ai-gateway", "gateway", id="an Anthropic SDK's base"
        ),
        pytest.param(
            f"{W}/ai-gateway/gemini", f"{W}/ai-gateway", "gateway", id="a Gemini SDK's base"
        ),
        pytest.param(
            f"{W}/ai-gateway/codex/v1", f"{W}/ai-gateway", "gateway", id="a coding agent's base"
        ),
        pytest.param(
            f"{W}/ai-gateway/anthropic/v1/messages?o=7",
            f"{W}/ai-gateway?o=7",
            "gateway",
            id="a request's URL",
        ),
        pytest.param(
            "https://proxy.corp/dbx/ai-gateway/openai/v1",
            "https://proxy.corp/dbx/ai-gateway",
            "gateway",
            id="a gateway below a proxy's path",
        ),
        pytest.param(
            "https://dbx.corp", "https://dbx.corp/ai-gateway", "gateway", id="a host of the user's"
        ),
        pytest.param(f"{W}/serving-endpoints", f"{W}/serving-endpoints", "classic", id="classic"),
        pytest.param(
            f"{W}/serving-endpoints/v1/chat/completions",
            f"{W}/serving-endpoints",
            "classic",
            id="a classic request's URL",
        ),
        pytest.param(G, G, "dedicated", id="a gateway's own host"),
        pytest.param(f"{G}/mlflow/v1", G, "dedicated", id="a base on a gateway's own host"),
        pytest.param(f"{G}/ai-gateway/", G, "dedicated", id="a prefix it does not have"),
        pytest.param(
            "https://7.2.ai-gateway.azuredatabricks.net",
            "https://7.2.ai-gateway.azuredatabricks.net",
            "dedicated",
            id="a gateway's own host on Azure",
        ),
        pytest.param(
            "http://127.0.0.1:5000/gateway",
            "http://127.0.0.1:5000/gateway",
            "mlflow",
            id="an MLflow gateway",
        ),
        pytest.param(
            "http://localhost:5000/gateway/openai/v1/responses",
            "http://localhost:5000/gateway",
            "mlflow",
            id="a request's URL at an MLflow gateway",
        ),
        pytest.param(
            "https://host.example/v1", "https://host.example/v1", "openai", id="an OpenAI base"
        ),
        pytest.param(
            "https://host.example/v1/chat/completions",
            "https://host.example/v1",
            "openai",
            id="a request's URL at an OpenAI base",
        ),
        pytest.param(
            "https://host.example/gateway/v1",
            "https://host.example/gateway/v1",
            "openai",
            id="an OpenAI base below a path called gateway",
        ),
        pytest.param(
            "http://127.0.0.1:80/v1", "http://127.0.0.1/v1", "openai", id="the port of http"
        ),
        pytest.param(
            "https://host.example:8443/v1",
            "https://host.example:8443/v1",
            "openai",
            id="another port",
        ),
        pytest.param("http://[::1]:8080/v1", "http://[::1]:8080/v1", "openai", id="IPv6"),
        pytest.param(
            "https://[2001:DB8:0::1]/v1", "https://[2001:db8::1]/v1", "openai", id="IPv6, one way"
        ),
        pytest.param(
            "https://bücher.example/v1",
            "https://xn--bcher-kva.example/v1",
            "openai",
            id="a name in other letters",
        ),
        pytest.param("https://my_gateway:8443/v1", "https://my_gateway:8443/v1", "openai", id="_"),
    ],
)
def test_an_address_is_read(text: str, whole: str, surface: str) -> None:
    base = parse_base(text)
    assert (str(base), base.surface) == (whole, surface)
    assert parse_base(str(base)) == base


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "is empty", id="nothing"),
        pytest.param(" \n", "is empty", id="blanks"),
        pytest.param("https://", "no host", id="no host"),
        pytest.param("https:///ai-gateway", "no host", id="a path without host"),
        pytest.param("https://:8443", "no host", id="a port without host"),
        pytest.param("https://a b.example", "blank", id="a blank inside"),
        pytest.param(f"{W}\r\nX-Evil: 1", "control character", id="a header inside"),
        pytest.param(f"{W}/\tx", "control character", id="a tab inside"),
        pytest.param("https://user:hunter2@host.example", "'@'", id="a password"),
        pytest.param("https://hunter2@host.example", "'@'", id="a token as the user"),
        pytest.param("https://user:hun/ter2@host.example", "'@'", id="a password with a slash"),
        pytest.param(f"{W}::hunter2", "told apart", id="host and token in one"),
        pytest.param(f"{W}/?token=hunter2", "query", id="a query"),
        pytest.param(f"{W}/?o=42&token=hunter2", "query", id="a query beside the workspace id"),
        pytest.param(f"{W}/?o=hunter2", "query", id="a workspace id that is none"),
        pytest.param(f"{W}/#hunter2", "'#'", id="a fragment"),
        pytest.param("dapi0123456789abcdef0123456789abcdef-2", "token", id="a token"),
        pytest.param("ftp://host.example", "scheme", id="another scheme"),
        pytest.param("https:/host.example", "told apart", id="a scheme with one slash"),
        pytest.param("https://host.example:", "told apart", id="a port without number"),
        pytest.param("https://host.example:0", "port", id="port 0"),
        pytest.param("https://host.example:65536", "port", id="a port too high"),
        pytest.param("https://host.example:٤٤٣", "told apart", id="a port in other digits"),
        pytest.param("::1", "told apart", id="IPv6 without brackets"),
        pytest.param("https://[fe80::1%eth0]/v1", "cannot exist|not a URL", id="IPv6 with a zone"),
        pytest.param("https://[127.0.0.1]/v1", "cannot exist|not a URL", id="IPv4 in brackets"),
        pytest.param("https://127.1/v1", "cannot exist", id="IPv4 in short"),
        pytest.param("https://0x7f.0x1/v1", "cannot exist", id="IPv4 in hexadecimal"),
        pytest.param("https://-host.example", "cannot exist", id="a label that begins with -"),
        pytest.param("https://a..example", "cannot exist", id="an empty label"),
        pytest.param(f"https://{'a' * 64}.example", "cannot exist", id="a label too long"),
        pytest.param(f"https://{'a.' * 130}example", "cannot exist", id="a name too long"),
        pytest.param("https://host%2eexample", "cannot exist", id="an encoded dot"),
        pytest.param("https://host.example\\.evil", "cannot exist", id="a backslash"),
        pytest.param("https://host\u2100.example", "is not a URL", id="letters that hide a slash"),
        pytest.param(f"{W}/sql/warehouses", "serves no models", id="a page of a workspace"),
        pytest.param(f"{W}/ai-gateway/x", "serves no models", id="a path the gateway lacks"),
        pytest.param(f"{G}/serving-endpoints/x", "serves no models", id="a path that host lacks"),
        pytest.param(
            f"{W}/serving-endpoints/mine/invocations", "one model", id="the URL of an endpoint"
        ),
        pytest.param(
            f"{W}/ai-gateway/gemini/v1beta/models/m:streamGenerateContent",
            "one model",
            id="the URL of a Gemini request",
        ),
        pytest.param("https://host.example/v1/../admin", "no gateway", id="a path that climbs"),
        pytest.param("https://host.example/v%31", "no gateway", id="an encoded path"),
        pytest.param("https://accounts.cloud.databricks.com", "account console", id="accounts"),
        pytest.param("https://accounts-dod.cloud.databricks.mil", "account console", id="DoD's"),
    ],
)
def test_what_is_no_address_is_refused_and_not_quoted(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse_base(text, name="DATABRICKS_HOST")
    assert str(caught.value).startswith("DATABRICKS_HOST ")
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert "dapi0" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "localhost:8000"])
def test_plain_http_leads_to_this_machine(host: str) -> None:
    assert parse_base(f"http://{host}").scheme == "http"


@pytest.mark.parametrize(
    "host", ["acme.cloud.databricks.com", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.io"]
)
def test_plain_http_leads_elsewhere_only_where_it_is_allowed(host: str) -> None:
    with pytest.raises(ConfigError, match="allow_http=True"):
        parse_base(f"http://{host}")
    assert parse_base(f"http://{host}", allow_http=True).scheme == "http"


def test_a_missing_scheme_is_https_on_this_machine_too() -> None:
    assert parse_base("localhost:8000").origin == "https://localhost:8000"


@pytest.mark.parametrize(
    "host",
    [
        "acme.cloud.databricks.com",
        "acme.staging.cloud.databricks.com",
        "acme.dev.databricks.com",
        "acme.databricks.com",
        "acme.gcp.databricks.com",
        "acme.dev.gcp.databricks.com",
        "acme.staging.gcp.databricks.com",
        "acme.cloud.databricks.us",
        "acme.cloud.databricks.mil",
        "adb-1.2.azuredatabricks.net",
        "adb-1.2.dev.azuredatabricks.net",
        "adb-1.2.staging.azuredatabricks.net",
        "adb-1.2.databricks.azure.us",
        "adb-1.2.databricks.azure.cn",
        "123.ai-gateway.cloud.databricks.com",
        "7.2.ai-gateway.azuredatabricks.net",
        "ACME.Cloud.Databricks.Com",
        "acme.cloud.databricks.com.",
    ],
)
def test_hosts_of_databricks_are_known(host: str) -> None:
    assert is_databricks(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil-databricks.com",
        "evil.databricks.com.evil.io",
        "acme.cloud.databricks.com.evil.io",
        "acme.cloud.databricks.co",
        "azuredatabricks.net.evil.example",
        "evilazuredatabricks.net",
        "azuredatabricks.net",
        ".databricks.com",
        "databricks.com",
        "app.aws.databricksapps.com",
        "acme.databricks.azure.evil",
        "127.0.0.1",
        "localhost",
        "",
    ],
)
def test_look_alikes_are_not_hosts_of_databricks(host: str) -> None:
    assert not is_databricks(host)


# Pieces of which addresses are made, good and bad, so that chance finds the seams between them.
PIECES = st.sampled_from(
    [
        *("https", "http", "HTTPS", "ftp", "://", ":", "/", "//", "@", "?", "#", "&", "=", "%2f"),
        *("[", "]", "::1", "\\", ".", "..", "-", "\t", " ", "\n", "\0", "\udc80", "\u2100", "。"),
        *(
            "acme.cloud.databricks.com",
            "127.0.0.1",
            "localhost",
            "x.ai-gateway.y",
            "bücher",
            "\uff10",
        ),
        *("ai-gateway", "serving-endpoints", "gateway", "mlflow", "v1", "chat", "completions"),
        *("o=1", "443", "99999", "1"),
    ]
)
ADDRESSES = st.lists(PIECES, max_size=12).map("".join) | st.text()


def refusal_of(text: str) -> ConfigError | None:
    try:
        parse_base(text)
    except ConfigError as refusal:
        return refusal
    return None


@given(ADDRESSES)
def test_every_text_is_an_address_or_one_line(text: str) -> None:
    refusal = refusal_of(text)
    if refusal:
        assert "\n" not in str(refusal)
        return
    base = parse_base(text)
    assert parse_base(str(base)) == base
    assert base.host.isascii()
    assert base.host == base.host.lower()


@given(ADDRESSES, ADDRESSES)
def test_no_refusal_quotes_what_may_be_a_credential(before: str, after: str) -> None:
    refusal = refusal_of(f"{before}hunter2{after}")
    if refusal:
        assert "hunter2" not in f"{refusal} {refusal!r}"
        assert refusal.__context__ is None


def test_a_base_is_a_value() -> None:
    base = parse_base(W)
    assert base == parse_base(f"{W}/ai-gateway/mlflow/v1")
    assert base == Base(
        scheme="https",
        host="acme.cloud.databricks.com",
        port=None,
        surface="gateway",
        prefix="/ai-gateway",
    )
