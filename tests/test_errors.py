"""Errors as data and as exceptions, and across process borders."""

from __future__ import annotations

import copy
import pickle
from typing import get_args

import msgspec
import pytest

from gateway_stream import errors
from gateway_stream.errors import GatewayError, RateLimited, TimedOut
from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Failure,
    FailureKind,
    Notice,
    Opaque,
    Start,
    TextDelta,
)
from gateway_stream.turn import PartialTurn, fold

KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
CLASSES: dict[FailureKind, type[GatewayError]] = {
    error.kind: error
    for name in errors.__all__
    if (error := getattr(errors, name)) is not GatewayError
}


def full(kind: FailureKind) -> Failure:
    return Failure(
        kind=kind,
        message="it went wrong",
        code="CODE",
        status=529,
        request_id="r-1",
        phase="stream",
        retryable=True,
        retry_after=1.5,
        delivered=True,
        hint="Try less.",
    )


def partial() -> PartialTurn:
    answer = fold(
        [
            Start("i"),
            BlockStart(0, "text"),
            TextDelta(0, "Hel"),
            BlockEnd(0, "truncated", Opaque("f", "p", '{"s": "==" }')),
            Notice("retry"),
            full("overloaded"),
        ]
    )
    assert isinstance(answer, PartialTurn)
    return answer


def test_every_kind_has_its_class_and_every_class_its_kind() -> None:
    assert set(CLASSES) == set(KINDS)
    assert len(CLASSES) == len(errors.__all__) - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bare", [True, False], ids=["bare", "full"])
def test_a_failure_becomes_its_error_and_back(kind: FailureKind, bare: bool) -> None:
    failure = Failure(kind=kind, message="m") if bare else full(kind)
    part = None if bare else partial()
    error = GatewayError.from_failure(failure, part)
    assert type(error) is CLASSES[kind]
    assert error.failure() == failure
    assert error.partial is part
    for name in Failure.__struct_fields__:
        assert getattr(error, name) == getattr(failure, name)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_crosses_process_borders_whole(kind: FailureKind) -> None:
    error = GatewayError.from_failure(full(kind), partial())
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(twin) is type(error)
        assert twin.failure() == error.failure()
        assert twin.partial == error.partial
        assert str(twin) == str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_is_the_same_in_json_and_back(kind: FailureKind) -> None:
    assert msgspec.json.decode(msgspec.json.encode(full(kind)), type=Failure) == full(kind)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RateLimited("too fast"), "too fast"),
        (RateLimited("too fast", status=429), "too fast (status 429)"),
        (
            RateLimited("too fast.", status=429, code="LIMIT", request_id="r", hint="Wait."),
            "too fast. (status 429, LIMIT, request id r). Wait.",
        ),
        (TimedOut("no byte came.", hint="Raise silence."), "no byte came. Raise silence."),
        (TimedOut("two\nlines\r\n and\ttabs"), "two lines and tabs"),
    ],
)
def test_the_text_of_an_error_is_one_line(error: GatewayError, text: str) -> None:
    assert str(error) == text


def test_every_error_can_be_caught_as_one() -> None:
    for kind in KINDS:
        with pytest.raises(GatewayError):
            raise GatewayError.from_failure(full(kind))
