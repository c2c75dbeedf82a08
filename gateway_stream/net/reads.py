"""How much a connection asks the kernel for at once.

asyncio asks for 256 KiB at each read, whatever comes: the attribute ``max_size`` of its selector transport.
A block of that size is beyond the threshold from which glibc gets memory by ``mmap`` (128 KiB, see
mallopt(3), ``M_MMAP_THRESHOLD``), so every read maps pages, faults them in, shrinks the mapping and gives it
back: several system calls for a token of 300 bytes, and more time than its parsing and decoding take.
Below that threshold the allocator gives a block that it has at hand. What one read brings is also what a stream whose
reader stands still holds, decoded and as bytes, so it is no larger than bursts need.

TLS has a twin. ``asyncio.sslproto.SSLProtocol`` makes a buffer of 256 KiB for each connection, fills it with zeros
and keeps it for the connection's life; it makes a block of the same size for each read of what was decrypted; and
where its reader is stuck it lets 256 KiB more wait. A record of TLS is the least that can be decrypted and has at most
`TLS_BYTES` (RFC 8446, section 5.2), so that much is enough for each.

Both sizes are set for a connection of ours when it is made, never for a class that other code uses too. What
asyncio does not document may be absent, and is where another loop runs (uvloop reads in its own way): then the
connection stays as it is.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["READ_BYTES", "TLS_BYTES", "read_in_small_blocks"]

READ_BYTES: Final = 48 * 1024
TLS_BYTES: Final = 5 + 2**14 + 256


def read_in_small_blocks(transport: Any) -> None:
    """Have a connection read in blocks that cost little, through all layers of TLS.

    It is called between two reads, when no layer's buffer holds anything.
    """
    layer = transport
    while (tls := getattr(layer, "_ssl_protocol", None)) is not None:
        _shrink(tls)
        if hasattr(layer, "set_read_buffer_limits"):
            layer.set_read_buffer_limits(high=TLS_BYTES)
        layer = getattr(tls, "_transport", None)
    if getattr(layer, "max_size", 0) > READ_BYTES:
        layer.max_size = READ_BYTES


def _shrink(tls: Any) -> None:
    """Replace a TLS layer's buffer, if it is built as CPython 3.11 and later build it."""
    buffer, view = getattr(tls, "_ssl_buffer", None), getattr(tls, "_ssl_buffer_view", None)
    if not isinstance(buffer, bytearray) or not isinstance(view, memoryview):
        return
    if view.obj is buffer and len(buffer) == getattr(tls, "max_size", 0) > TLS_BYTES:
        tls.max_size = TLS_BYTES
        tls._ssl_buffer = bytearray(TLS_BYTES)  # noqa: SLF001  see above
        tls._ssl_buffer_view = memoryview(tls._ssl_buffer)  # noqa: SLF001
