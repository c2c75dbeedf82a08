"""The floor: plain aiohttp, reading bytes and throwing them away.

Its session is as its users make it, but for the limit of its pool and the timeout over a whole
answer, which others here do not have either. Where tokens are stamped it looks for the stamps among the
bytes, which costs about as much as a parser would; its figures of delay are not the floor's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from benchmarks.answers import ANSWERS
from benchmarks.asked import body, path
from benchmarks.stamps import STAMP

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from benchmarks.crowd import Ask, Tally


async def connect(
    address: str,
    family: str,
    variant: str,
    closing: AsyncExitStack,
) -> Ask:
    session = await closing.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
    )
    size = ANSWERS[family].size

    async def ask(model: str, tally: Tally) -> None:
        url = address + path(family, model)
        async with session.post(url, json=body(family, model)) as response:
            async for chunk in response.content.iter_any():
                tally.tokens += len(chunk) / size

    async def stamped(model: str, tally: Tally) -> None:
        url = address + path(family, model)
        async with session.post(url, json=body(family, model)) as response:
            async for chunk in response.content.iter_any():
                for stamp in STAMP.findall(chunk):
                    tally.came(stamp)

    return stamped if variant == "stamped" else ask
