"""A secret is seen only where it is revealed."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
import traceback
from dataclasses import asdict, dataclass
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.auth import M2M, PAT, U2M, Secret, StoredLogin
from gateway_stream.errors import ConfigError
from gateway_stream.net.hidden import Hidden

VALUE = "dapi0123456789abcdef"


def test_it_is_revealed_on_request() -> None:
    assert Secret(VALUE).reveal() == VALUE


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(VALUE)),
        str(Secret(VALUE)),
        f"{Secret(VALUE)}",
        f"{Secret(VALUE):>40}",
        f"{Secret(VALUE)!r}",
        format(Secret(VALUE)),
        "%s %r" % (Secret(VALUE), Secret(VALUE)),  # noqa: UP031
        pprint.pformat({"token": [Secret(VALUE)]}),
        ascii(Secret(VALUE)),
    ],
)
def test_text_of_a_secret_is_asterisks(shown: str) -> None:
    assert VALUE not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "dump",
    [
        pickle.dumps,
        json.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        vars,
        lambda secret: secret.__getstate__(),
    ],
)
def test_a_secret_cannot_be_serialized(dump: object) -> None:
    assert callable(dump)
    with pytest.raises(TypeError) as caught:
        dump(Secret(VALUE))
    assert VALUE not in str(caught.value)


def test_a_structure_that_holds_a_secret_does_not_show_it() -> None:
    @dataclass
    class Holder:
        token: Secret

    class Record(msgspec.Struct):
        token: Secret

    assert VALUE not in repr(Holder(Secret(VALUE)))
    assert VALUE not in repr(asdict(Holder(Secret(VALUE))))
    assert VALUE not in repr(Record(Secret(VALUE)))


def test_copies_are_the_same_secret() -> None:
    secret = Secret(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_secrets_are_equal_when_their_values_are() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret(VALUE + "x")


def test_a_secret_never_equals_text() -> None:
    assert Secret(VALUE) != VALUE
    assert hash(Secret(VALUE)) != hash(VALUE)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param("", "is empty", id="an empty one"),
        pytest.param(f"{VALUE}\n", "control character", id="one with the line end of its file"),
        pytest.param(f"{VALUE}\r\nX-Evil: 1", "control character", id="one that adds a header"),
        pytest.param(f"{VALUE}\0", "control character", id="one with a null"),
        pytest.param(f"Bearer {VALUE}", "has a blank", id="one with its scheme"),
        pytest.param(f" {VALUE}", "has a blank", id="one with a blank in front"),
        pytest.param(f"{VALUE}…", "not ASCII", id="one that was shortened by a web page"),
        pytest.param(f"{VALUE}é", "not ASCII", id="one with a letter of Latin-1"),
        pytest.param(f"{VALUE}\udc80", "not ASCII", id="one with a lone surrogate"),
        pytest.param("***", "stands for a credential", id="what stands for one"),
        pytest.param(None, "is NoneType", id="none at all"),
        pytest.param(VALUE.encode(), "is bytes", id="bytes"),
    ],
)
def test_what_is_no_credential_is_refused(value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Secret(value, name="DATABRICKS_TOKEN")
    assert str(caught.value).startswith("DATABRICKS_TOKEN ")
    assert VALUE not in str(caught.value)


def test_a_traceback_with_local_variables_does_not_show_what_was_refused() -> None:
    # Whoever writes ``Secret(text)`` has the text; the frames behind the call are ours.
    with pytest.raises(ConfigError) as caught:
        Secret(f"{VALUE}\n")
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(caught.tb.tb_next), capture_locals=True
    )
    assert frames
    assert VALUE not in "".join(frames.format())


def test_the_value_is_plain_text_whatever_text_it_came_as() -> None:
    assert type(Secret(Hidden(VALUE)).reveal()) is str


@given(st.text())
def test_every_text_is_a_secret_or_refused_without_being_quoted(text: str) -> None:
    value = f"{VALUE}{text}"
    try:
        secret = Secret(value)
    except ConfigError as error:
        refusal = f"{error} {error!r}"
    else:
        refusal = ""
        assert secret.reveal() == value
    assert VALUE not in refusal


def test_a_credential_given_as_plain_text_is_hidden_all_the_same() -> None:
    plain: Any = "plain-credential"
    for holder in (
        PAT(plain),
        M2M(client_id="a", client_secret=plain),
        StoredLogin(host="https://w.example", access_token=plain, refresh_token=plain),
        U2M(
            StoredLogin(host="https://w.example", access_token=Secret("t")), client_secret=plain
        ).client_secret,
    ):
        assert "plain-credential" not in repr(holder)
        assert holder is not None
    with pytest.raises(ConfigError, match="the client secret has a blank"):
        M2M(client_id="a", client_secret=cast("Any", "two words"))
