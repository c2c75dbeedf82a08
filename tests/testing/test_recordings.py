from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway_stream.testing import FakeGateway, Fault, Reply
from tests.support.corpus import FAMILIES, corpus, needs_corpus, recordings
from tests.testing.asking import ask, reads

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

BODY = b'data: {"a":1}\r\n\r\ndata: [DONE]\r\n\r\n'


def write(folder: Path, **meta: object) -> Path:
    path = folder / "some--answer.1.sse"
    path.write_bytes(BODY)
    (folder / "some--answer.1.meta.json").write_text(json.dumps(meta))
    return path


async def test_a_recording_is_replayed_with_its_status_headers_and_reads(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    path = write(
        tmp_path,
        status=203,
        content_type="text/event-stream;charset=x",
        response_headers={
            "X-Ratelimit-Limit": "7",
            "Content-Length": "9999",
            "content-encoding": "br",
            "Transfer-Encoding": "gzip",
            "Content-Type": "text/plain",
        },
        chunk_sizes=[5, 11],
    )
    fake_gateway.add(Reply.from_recording(path))
    async with ask(session, fake_gateway) as response:
        pieces = await reads(response)
    assert pieces == [BODY[:5], BODY[5:16], BODY[16:]]
    assert response.status == 203
    assert response.headers.getall("Content-Type") == ["text/event-stream;charset=x"]
    assert response.headers["X-Ratelimit-Limit"] == "7"
    assert not {"Content-Length", "Content-Encoding"} & set(response.headers)


async def test_what_a_recording_does_not_tell_is_told_by_its_bytes(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    fake_gateway.add(Reply.from_recording(write(tmp_path)), Reply.recorded(b' [{"a":1}]'))
    async with ask(session, fake_gateway) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        assert len(await reads(response)) == 2
    async with ask(session, fake_gateway) as response:
        assert response.content_type == "application/json"


async def test_a_file_is_replayed_with_the_reads_it_is_given(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    path = write(tmp_path)
    fake_gateway.add(Reply.recorded(path, content_type="x/y", read_sizes=[20, 1]))
    async with ask(session, fake_gateway) as response:
        assert await reads(response) == [BODY[:20], BODY[20:21], BODY[21:]]
        assert response.content_type == "x/y"


def test_replies_are_values_that_can_be_compared_and_hashed() -> None:
    one = Reply.recorded(BODY, read_sizes=[1]).with_fault(Fault(cut_after=3))
    other = Reply.recorded(BODY, read_sizes=[1]).with_fault(Fault(cut_after=3))
    assert one == other
    assert len({one, other, Reply.scripted(text="a"), Reply.scripted(text=["a"])}) == 2


@needs_corpus
@pytest.mark.parametrize("family", FAMILIES)
async def test_recorded_bodies_come_through_byte_for_byte(
    fake_gateway: FakeGateway, session: aiohttp.ClientSession, family: str
) -> None:
    folder = corpus()
    assert folder is not None
    for recording in recordings():
        if recording.family == family:
            fake_gateway.add(Reply.from_recording(folder / recording.name))
            async with ask(session, fake_gateway) as response:
                pieces = await reads(response)
            assert b"".join(pieces) == recording.body, recording.name
            if recording.meta.get("chunk_sizes"):
                assert pieces == [read for read in recording.reads() if read], recording.name
            assert response.status == (recording.meta.get("status") or 200), recording.name
