"""Any bytes are read, in time that grows with their number, into something that can be shown."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.events import Failure
from gateway_stream.wire.failures import read_failure, read_page, read_stray, read_stream_failure
from tests.support.growth import growth

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["429", "error", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(
                [
                    "error",
                    "message",
                    "code",
                    "type",
                    "status",
                    "details",
                    "detail",
                    "metadata",
                    "raw",
                    "headers",
                    "response",
                    "errors",
                    "loc",
                    "msg",
                    "error_code",
                    "finishReason",
                    "retryDelay",
                    "violations",
                    "quotaId",
                    "choices",
                    "object",
                    "request_id",
                    "external_model_message",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
BODIES = (
    st.binary(max_size=300)
    | JSON.map(lambda tree: json.dumps(tree).encode())
    | st.text().map(str.encode)
)


def shown(failure: Failure) -> None:
    assert failure.message
    assert failure.message == " ".join(failure.message.split())
    assert len(failure.message) <= 2000
    assert failure.hint
    assert failure.hint.endswith(".")
    assert failure.status is None or failure.status >= 300
    assert failure.retry_after is None or failure.retry_after > 0
    assert msgspec.json.decode(msgspec.json.encode(failure), type=Failure) == failure


@given(
    st.integers(100, 999),
    st.dictionaries(st.sampled_from(["Retry-After", "Date", "location"]), st.text()),
    BODIES,
)
def test_any_response_gives_a_failure_that_can_be_shown(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    shown(read_failure(status, headers, body, now=1e9))


@given(
    BODIES,
    st.sampled_from([b"", b"error: ", b"data: ", b'{"error":', b"<pre>", b"event: error\ndata: "]),
)
def test_any_bytes_inside_a_stream_are_read(body: bytes, before: bytes) -> None:
    for failure in (
        read_stream_failure(before + body),
        read_stray(before + body),
        read_page(before + body),
    ):
        if failure is not None:
            shown(failure)


@pytest.mark.parametrize(
    "piece",
    [
        b"<",
        b"{",
        b"[",
        b'"',
        b'{"error":',
        b"eyJ-",
        b"hf-",
        b"error:",
        b"data: {}\n\n",
        b"1m",
        b"://a",
    ],
)
def test_reading_costs_the_same_for_every_byte(piece: bytes) -> None:
    def read(size: int) -> None:
        read_failure(429, {}, piece * (size // len(piece)))
        read_stray(piece * (size // len(piece)))

    assert growth(read, 8_000, 64_000, enough=3) <= 4
