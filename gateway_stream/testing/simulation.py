"""A model that is none: it knows only why the sky is blue, but takes its turn as a model does.

What an answer is follows from the request alone, the first of these that holds:

1. Tools gave results since the model last spoke: prose that quotes them, and no call. Where the text
   is to fit a schema, JSON that fits instead.
2. Tools may be called: a call of the first, with arguments made up to fit its schema.
3. The text is to fit a schema: JSON that fits.
4. Otherwise prose.

So a loop that runs tools until none is called ends after one round. Every answer reasons first. A
schema that nothing can be made up for is refused with 400, as a gateway does.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final

from gateway_stream.events import Usage
from gateway_stream.testing.asked import read_asked
from gateway_stream.testing.making import Unfit, example_of
from gateway_stream.testing.replies import Reply
from gateway_stream.testing.routes import gateway_error
from gateway_stream.testing.script import ScriptedCall
from gateway_stream.testing.voices import PROMISES, TEXTS, THOUGHTS

if TYPE_CHECKING:
    from gateway_stream.testing.asked import Asked
    from gateway_stream.testing.routes import Received
    from gateway_stream.testing.script import FamilyName

__all__ = ["SimulatedModel"]

_BYTES_OF_A_TOKEN: Final = 4
_QUOTED: Final = 300
"""Characters of the tools' results that an answer repeats."""


class SimulatedModel:
    """The ``default`` of a `FakeGateway`: answers every model of every family.

    Args:
        pace: seconds between two events of a streamed answer. A whole answer comes at once.
    """

    def __init__(self, *, pace: float = 0.0) -> None:
        self._pace = pace
        self._call_numbers = itertools.count(1)

    async def __call__(self, received: Received) -> Reply | None:
        """The answer to a request; ``None`` on a path of no family."""
        if received.family is None:
            return None
        asked = read_asked(received.family, received.body)
        try:
            text, calls = self._say(received.family, asked)
        except Unfit as error:
            return Reply.error(400, gateway_error("INVALID_PARAMETER_VALUE", str(error)))
        thought = THOUGHTS[received.family]
        said = text + "".join(call.json for call in calls)
        reasoning = len(thought) // _BYTES_OF_A_TOKEN
        usage = Usage(
            input=max(1, len(received.raw) // _BYTES_OF_A_TOKEN),
            output=reasoning + max(1, len(said) // _BYTES_OF_A_TOKEN),
            cache_read=0,
            reasoning=reasoning,
        )
        return Reply.scripted(
            reasoning=thought, text=text, tool_calls=calls, usage=usage, pace=self._pace
        )

    def _say(self, family: FamilyName, asked: Asked) -> tuple[str, list[ScriptedCall]]:
        """The text and the calls of an answer.

        Raises:
            Unfit: nothing fits a schema of the request.
        """
        if asked.tools and not asked.results:
            tool = asked.tools[0]
            arguments = example_of({"type": "object", **tool.parameters}, tool.name)
            if not isinstance(arguments, dict):
                message = f"the parameters of the tool {tool.name!r} are no object"
                raise Unfit(message)
            call = ScriptedCall(tool.name, arguments, id=f"call_{next(self._call_numbers)}")
            return PROMISES[family], [call]
        if asked.output is not None:
            return json.dumps(example_of(asked.output), ensure_ascii=False), []
        if asked.results:
            quoted = "; ".join(asked.results)
            if len(quoted) > _QUOTED:
                quoted = quoted[:_QUOTED] + " ..."
            return f"This answer is based on the tool's result: {quoted or 'nothing'}", []
        return TEXTS[family], []
