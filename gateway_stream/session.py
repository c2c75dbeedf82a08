"""One agent's session: what its requests share.

A session is a view of a client, not a connection: it may be made by the thousand and needs no closing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from gateway_stream.auth.services import Auth
    from gateway_stream.client import Client
    from gateway_stream.options import Conversation, RequestOptions
    from gateway_stream.request import Request
    from gateway_stream.stream import EventStream
    from gateway_stream.turn import Turn

__all__ = ["Session"]


class Session:
    """Requests of one agent or user. Made by `Client.session`."""

    def __init__(self, client: Client, *, auth: Auth | None) -> None:
        self._client = client
        self._auth = auth

    def stream(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> EventStream:
        """As `Client.stream`, with what this session's requests share."""
        return self._client.stream(request, messages, family=family, auth=self._auth, **options)

    async def complete(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> Turn:
        """As `Client.complete`, with what this session's requests share."""
        return await self._client.complete(
            request, messages, family=family, auth=self._auth, **options
        )
