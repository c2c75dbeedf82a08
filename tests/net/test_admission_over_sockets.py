"""The same over real sockets: a gateway that takes so many at a time, and a client that is not told."""

from __future__ import annotations

import anyio

from gateway_stream import Client, Retry
from gateway_stream.testing import Capacity, FakeGateway, Reply


async def test_a_client_settles_below_what_a_gateway_refuses() -> None:
    wall = Capacity(Reply.scripted(text="a b c", pace=0.005), concurrency=7)
    retry = Retry(retries=20, first_wait=0.05, longest_wait=0.2)
    done = 0

    async def agent(client: Client) -> None:
        nonlocal done
        session = client.session()
        for _ in range(10):
            turn = await session.complete("databricks-model", "go")
            done += turn.text == "a b c"

    async with (
        FakeGateway(default=wall) as gateway,
        Client(host=gateway.url, token="t", retry=retry) as client,
    ):
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(agent, client)
        (stats,) = client.stats().places
        assert done == 400
        assert wall.most_in_flight == 7
        assert stats.limit is not None
        assert 5 <= stats.limit <= 8
        assert stats.refused == wall.refused < 100
        assert client.stats().queued == 0
