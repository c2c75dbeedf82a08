"""What a recording may not hold is masked, and nothing else is changed."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.net.hidden import Hidden
from gateway_stream.testing.redaction import (
    Mask,
    kept_query,
    kept_request_headers,
    kept_response_headers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "x7Gq/planted+token-of.no_form=="
MASK = Mask({"Authorization": f"Bearer {TOKEN}"})
NO_MASK = Mask({})


@pytest.mark.parametrize(
    "quoted",
    [
        TOKEN,
        TOKEN.replace("/", "\\/").replace("+", "\\u002b").replace("=", "\\u003D"),
        quote(TOKEN, safe=""),
        TOKEN.encode().hex(),
        TOKEN.encode().hex().upper(),
        base64.b64encode(TOKEN.encode()).decode(),
    ],
)
def test_what_was_sent_as_a_credential_is_masked_however_it_is_quoted(quoted: str) -> None:
    masked = MASK.text(f'{{"message": "no {quoted} here"}}')
    assert masked == f'{{"message": "no {"*" * len(quoted)} here"}}'


@pytest.mark.parametrize("before", ["", "m", "me", "me:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_nothing_of_it_can_be_read_where_it_was_encoded_beside_other_text(
    before: str, encode: Callable[[bytes], bytes]
) -> None:
    masked = MASK.bytes(encode(f"{before}{TOKEN}!".encode()))
    assert masked.startswith(encode(before.encode())[: len(before) // 3 * 4])
    assert masked.count(b"*") >= len(masked) - 4


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"x-api-key": "a-key-of-its-own"}, "a-key-of-its-own"),
        ({"X-Databricks-AI-Gateway-Token": "for-the-gateway"}, "for-the-gateway"),
        ({"X-Databricks-Azure-SP-Management-Token": "for-azure"}, "for-azure"),
        ({"Cookie": "session=abcdefgh"}, "session=abcdefgh"),
        ({"Cookie": "first=in-the-first; o=1"}, "first=in-the-first"),
        ({"Cookie": "first=in-the-first; o=1"}, "in-the-first"),
        ({"X-Vault-Token": "for-a-tool"}, "for-a-tool"),
        ({"X-Anything": Hidden("several words long")}, "several words long"),
        ({"Proxy-Authorization": "Basic bWU6bXktcGFzc3dvcmQ="}, "my-password"),
        ({"X-Anything": Hidden("hidden-by-type")}, "hidden-by-type"),
    ],
)
def test_every_header_that_authorizes_is_known(headers: dict[str, str], said: str) -> None:
    assert Mask(headers).text(f"no {said}.") == f"no {'*' * len(said)}."


def test_a_header_that_authorizes_nothing_is_no_secret() -> None:
    mask = Mask({"X-Stage": "production", "Authorization": "Bearer short"})
    assert mask.text("in production, short") == "in production, short"


def test_a_mask_shows_nothing() -> None:
    assert TOKEN not in repr(MASK)


FIELDS = [
    *("access_token", "refresh_token", "client_secret", "clientSecret", "api_key", "x-api-key"),
    *("authorization", "Authorization", "authorization_token", "password", "private_key", "cookie"),
    *("PRIVATE-TOKEN", "X-Vault-Token", "sas_token"),
]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_says_so_is_masked(name: str) -> None:
    tree = {"a": [{name: 'one "two" \\three\\'}], "b": json.dumps({name: 'four "five" \\six\\'})}
    masked = json.loads(NO_MASK.bytes(json.dumps(tree).encode()))
    assert set(masked["a"][0][name]) == {"*"}
    assert set(json.loads(masked["b"])[name]) == {"*"}


@pytest.mark.parametrize("outer", [True, False], ids=["escaped outside", "not outside"])
@pytest.mark.parametrize("inner", [True, False], ids=["escaped inside", "not inside"])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_field_is_masked_to_its_end_however_its_text_is_written(
    times: int, *, inner: bool, outer: bool
) -> None:
    said = {"password": 'grün "und\\ still\n🎈 & so\\', "after": "stays"}
    text = json.dumps(said, ensure_ascii=inner)
    for _ in range(times):
        text = json.dumps({"text": text}, ensure_ascii=outer)
    masked = NO_MASK.text(text.replace("&", "\\u0026") if outer and times else text)
    for _ in range(times):
        masked = json.loads(masked)["text"]
    read = json.loads(masked)
    assert set(read["password"]) == {"*"}
    assert read["after"] == "stays"


@pytest.mark.parametrize(
    "tree",
    [
        {"logprobs": [{"token": " Hello", "logprob": -0.5}]},
        {"max_tokens": 5, "next_page_token": "abcdef", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA"},
        {"properties": {"password": {"type": "string"}, "api_key": {"type": "string"}}},
        {"text": "Your password: ask for it. Bearer tokens are tokens. Basic income."},
        {"encrypted_content": "gAAAAB/sk-abcdefghijklmnopqrstuvwx1+eyJabcdefgh.eyJabcdefgh"},
        {"url": "https://example.com:443/a@b", "email": "someone@example.com"},
        {"url": "https://example.com/?page=abcdefghij&design=abcdefghij&key=short#key=abcdefghij"},
        {"code": "if (a&&b) { key=abcdefghij; token = abcdefghij }"},
    ],
)
def test_what_is_no_credential_stays(tree: dict[str, Any]) -> None:
    body = json.dumps(tree).encode()
    assert NO_MASK.bytes(body) == body


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("dapi0123456789abcdef0123456789abcdef-2", None),
        ("dose0123456789abcdef0123456789abcdef", None),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl", None),
        ("sk-proj-0123456789abcdefghijkl", None),
        ("ghp_0123456789abcdefghij0123456789abcdef", None),
        ("AKIAIOSFODNN7EXAMPLE", None),
        ("Bearer abc123def456", "Bearer ************"),
        ("https://me:pass-word@example.com/", "https://me:*********@example.com/"),
        (
            "https://a.example/b?sv=1&sig=abc%2Fdefgh&se=2",
            "https://a.example/b?sv=1&sig=***********&se=2",
        ),
        ("https://a.example/b?api_key=abcdefgh", "https://a.example/b?api_key=********"),
        ("DATABRICKS_TOKEN=dapi0123456789abcdef", "DATABRICKS_TOKEN=********************"),
        ("?t%3Ddapi0123456789abcdef", "?t%3D********************"),
        ("t\\u003ddapi0123456789abcdef", "t\\u003d********************"),
        ("xoxb-0123456789-abcdefghij", None),
        ("glpat-abcdefghij0123456789", None),
        (
            "-----BEGIN EC PRIVATE KEY-----\\nMHcC+/=\\n-----END EC PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----***********-----END EC PRIVATE KEY-----",
        ),
    ],
)
def test_a_form_that_nothing_else_has_is_masked(text: str, masked: str | None) -> None:
    masked = masked or "*" * len(text)
    assert NO_MASK.text(f'"here:\\n{text}"') == f'"here:\\n{masked}"'


NAMES = st.sampled_from([*FIELDS, "text", "a b", "token", "arguments"])
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


@given(tree=TREES, escaped=st.booleans(), nested=st.integers(0, 2))
def test_a_masked_body_is_as_long_and_as_good_json(tree: Any, escaped: bool, nested: int) -> None:
    for _ in range(nested):
        tree = {"text": json.dumps(tree, ensure_ascii=not escaped)}
    body = json.dumps(tree, ensure_ascii=escaped).encode("utf-8", "replace")
    masked = NO_MASK.bytes(body)
    assert len(masked) == len(body)
    read, was = json.loads(masked), json.loads(body)
    for _ in range(nested):
        read, was = json.loads(read["text"]), json.loads(was["text"])
    alike(read, was, secret=False)


def alike(read: Any, was: Any, *, secret: bool) -> None:
    assert type(read) is type(was)
    if isinstance(was, dict):
        assert read.keys() == was.keys()
        for name in was:
            alike(read[name], was[name], secret=name in FIELDS)
    elif isinstance(was, list):
        for one, other in zip(read, was, strict=True):
            alike(one, other, secret=False)
    elif secret and isinstance(was, str):
        assert set(read) <= {"*"}
    else:
        assert read == was


def test_headers_are_kept_by_name() -> None:
    headers = {"Authorization": "Bearer x", "X-Mine": "y", "Anthropic-Version": "1"}
    assert kept_request_headers(headers) == {"anthropic-version": "1"}
    lines = [
        *(
            ("X-Request-Id", "1"),
            ("Retry-After", "7"),
            ("Set-Cookie", "a=b"),
            ("Location", "/?t=1"),
        ),
        *(("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-key", "me"), ("Via", "a")),
        *(("Via", "b"), ("anthropic-ratelimit-input-tokens-reset", "1s"), ("X-Mine", "y")),
    ]
    names = [name for name, _ in kept_response_headers(lines)]
    assert names == [
        *("X-Request-Id", "Retry-After", "x-ratelimit-remaining-tokens", "Via", "Via"),
        "anthropic-ratelimit-input-tokens-reset",
    ]


def test_a_query_keeps_what_is_known() -> None:
    assert kept_query("alt=sse&key=AIza&o=1&a-secret-without-a-name") == "alt=sse&o=1"
    assert kept_query("") == ""
