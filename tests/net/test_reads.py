"""How much a connection asks the kernel for at once."""

from __future__ import annotations

import hashlib
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from gateway_stream.net.reads import READ_BYTES, TLS_BYTES, read_in_small_blocks
from tests.support.raw import ANSWER, HEAD, Peer, ask, chunk, peer, pool

if TYPE_CHECKING:
    import asyncio

DEFAULT = 256 * 1024


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's."""
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    asking = ssl.create_default_context()
    authority.configure_trust(asking)
    return serving, asking


async def whole(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
    writer.write(ANSWER)


async def test_a_connection_reads_in_small_blocks_and_no_other_does() -> None:
    async with peer(whole) as server, pool() as transport:
        exchange, _ = await ask(transport, server.url)
        socket: Any = exchange._handler.transport
        assert socket.max_size == READ_BYTES
        (theirs,) = server.open.values()
        assert theirs.transport.max_size == type(socket).max_size == DEFAULT  # type: ignore[attr-defined]


async def test_tls_keeps_a_small_buffer_and_no_other_does(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, asking = contexts
    async with peer(whole, serving) as server, pool(asking) as transport:
        exchange, _ = await ask(transport, server.url)
        tls = exchange._handler.transport._ssl_protocol  # type: ignore[union-attr]
        assert tls.max_size == len(tls._ssl_buffer) == len(tls.get_buffer(-1)) == TLS_BYTES
        assert tls._transport.max_size == READ_BYTES
        (theirs,) = server.open.values()
        other = theirs.transport._ssl_protocol  # type: ignore[attr-defined]
        assert len(other._ssl_buffer) == type(tls).max_size == DEFAULT


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_large_answer_comes_whole(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], *, tls: bool
) -> None:
    sent = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(150_000))

    async def answer(_: Peer, writer: asyncio.StreamWriter, *__: int) -> None:
        pieces = [sent[at : at + 50_000] for at in range(0, len(sent), 50_000)]
        writer.write(HEAD + b"".join(map(chunk, pieces)) + b"0\r\n\r\n")

    serving, asking = contexts if tls else (None, None)
    async with peer(answer, serving) as server, pool(asking) as transport:
        _, body = await ask(transport, server.url)
    assert body == sent


def layer(**parts: object) -> Any:
    return SimpleNamespace(**parts)


def buffered(size: int, buffer: Any, view: Any) -> Any:
    return layer(max_size=size, _ssl_buffer=buffer, _ssl_buffer_view=view, _transport=None)


BUFFER = bytearray(DEFAULT)


@pytest.mark.parametrize(
    "tls",
    [
        layer(),
        buffered(DEFAULT, None, None),
        buffered(DEFAULT, bytes(DEFAULT), memoryview(bytes(DEFAULT))),
        buffered(DEFAULT, bytearray(DEFAULT), memoryview(bytearray(DEFAULT))),
        buffered(DEFAULT * 2, BUFFER, memoryview(BUFFER)),
        buffered(TLS_BYTES // 2, BUFFER, memoryview(BUFFER)),
    ],
    ids=["nothing", "absent", "bytes", "another's view", "another size", "small"],
)
def test_tls_that_is_built_otherwise_stays_as_it_is(tls: Any) -> None:
    before = dict(vars(tls))
    read_in_small_blocks(layer(_ssl_protocol=tls))
    assert vars(tls) == before


@pytest.mark.parametrize("transport", [None, layer(), layer(max_size=1024)])
def test_a_transport_without_the_size_or_with_a_small_one_stays_as_it_is(transport: Any) -> None:
    before = dict(vars(transport)) if transport else None
    read_in_small_blocks(transport)
    assert transport is None or vars(transport) == before


def test_tls_within_tls_is_small_in_both() -> None:
    def tls(below: Any) -> Any:
        buffer = bytearray(DEFAULT)
        made = buffered(DEFAULT, buffer, memoryview(buffer))
        made._transport = below
        return made

    socket = layer(max_size=DEFAULT)
    inner = tls(layer(_ssl_protocol=(outer := tls(socket))))
    read_in_small_blocks(layer(_ssl_protocol=inner))
    assert (inner.max_size, outer.max_size, socket.max_size) == (TLS_BYTES, TLS_BYTES, READ_BYTES)
