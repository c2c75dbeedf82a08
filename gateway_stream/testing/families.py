"""The rules that every wire family is held to.

`check_family` is how a new family is tried, and how the four that exist are tested: on answers made
up at random, on answers of the caller's (other families' recordings, say), and on recorded bodies of
the family's own. For each answer:

- *Both ways*: what the family writes of it, as a stream or whole, is read back as its canonical form.
- *However cut*: the same bytes in other reads give the same events.
- *In time*: each piece of text is readable from what was written by the time it was given.
- *No false end*: a stream that lost its end is never a whole answer.
- *Nobody else's*: opaque data of other families is in nothing that is written.
- *Honest losses*: the canonical form is canonical, and keeps text, arguments and stop reason.

And for each request, made up or recorded:

- *Asked both ways*: a request that the family wrote without a notice is read back as what was asked,
  and any that it wrote is the same when it is written again. Each made-up request comes a second time
  without options, so that a family which knows few of them is held to the conversation.
"""

from __future__ import annotations

from itertools import zip_longest
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from gateway_stream.events import BlockEnd, Event, Failure, Stop
from gateway_stream.request import Request
from gateway_stream.testing.answers import make_answer
from gateway_stream.testing.chop import chop
from gateway_stream.testing.requests import asked_in, make_request
from gateway_stream.turn import Accumulator, Turn, fold
from gateway_stream.wire.arguments import arguments_status
from gateway_stream.wire.canonical import canonical, joined
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.encoder import Encoder, encode_answer, encode_stream
from gateway_stream.wire.family import check_grammar
from gateway_stream.wire.sse import encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway_stream.wire.carries import Carries
    from gateway_stream.wire.family import Family

__all__ = ["check_answer", "check_family", "check_request"]

_ANSWERS: Final = 300
_TELLING: Final = 16  # characters of a word that nobody writes by chance
_MODEL: Final = "model-1"


def check_family(
    family: Family,
    *,
    answers: Iterable[Sequence[Event]] = (),
    bodies: Iterable[bytes] = (),
    requests: Iterable[dict[str, Any]] = (),
) -> None:
    """Hold a family to the rules of this module.

    Args:
        family: the family.
        answers: events of whole or failed answers to write in it, beside those that are made up.
        bodies: recorded bodies of the family, streamed or whole.
        requests: recorded bodies of requests to the family.

    Raises:
        AssertionError: a rule is broken; the text names the rule and shows what came out.
    """
    random = Random(family.name)  # noqa: S311  answers, not secrets
    for _ in range(_ANSWERS):
        check_answer(family, make_answer(random))
        request = make_request(random)
        check_request(family, request)
        check_request(family, _without_options(request))
    for events in answers:
        check_answer(family, events)
    for body in bodies:
        check_answer(family, _decoded(family, [body]))
    for asked in requests:
        check_request(family, family.decode_request(asked, model=_MODEL, stream=True))


def check_answer(family: Family, events: Sequence[Event]) -> None:
    """Hold a family to the rules of one answer: this one.

    Raises:
        AssertionError: a rule is broken.
    """
    expected = canonical(family.streamed, events)
    _check_canonical(family.streamed, events, expected)
    body = encode_stream(family, events)
    read = _decoded(family, [body])
    check_grammar(read)
    _check_strangers(family, events, body)
    _hold("both ways, streamed", _like(expected, read), expected, body)
    for reads in (chop(body, every=1), chop(body, seed=len(body))):
        _hold("however cut", _decoded(family, reads), read, body)
    _check_in_time(family, events)
    _check_ends(family, events)
    _check_whole(family, events)


def check_request(family: Family, request: Request) -> None:
    """Hold a family to the rule of requests: with this one.

    Raises:
        AssertionError: the rule is broken.
    """
    written = family.encode_request(request, None)
    shown = msgspec.json.encode(written.body)
    read = family.decode_request(written.body, model=written.model, stream=written.stream)
    again = family.encode_request(read, None)
    _hold("asked both ways, written again", again.body, written.body, shown)
    if not written.notices:
        asked, told = asked_in(request), asked_in(read)
        _hold("asked both ways", {name: told.get(name) for name in asked}, asked, shown)


def _without_options(request: Request) -> Request:
    return Request(
        model=request.model,
        messages=request.messages,
        tools=request.tools,
        stream=request.stream,
    )


def _check_canonical(carries: Carries, events: Sequence[Event], expected: list[Event]) -> None:
    check_grammar(expected)
    _hold("canonical twice is canonical once", canonical(carries, expected), expected, b"")
    before, after = fold(events), fold(expected)
    texts = [
        "".join(block.text for block in blocks if block.kind in ("text", "refusal"))
        for blocks in (sorted(turn.blocks, key=carries.place) for turn in (before, after))
    ]
    _hold("text is never lost", texts[1], texts[0], b"")
    if "tool_call" in carries.blocks:
        given = [_parsed(call.json) for call in before.tool_calls if call.status == "complete"]
        texts = [call.json for call in after.tool_calls]
        kept = (_parsed(text) for text in texts if arguments_status(text) == "complete")
        _hold("arguments are kept", [one for one in given if one in kept], given, b"")


def _check_whole(family: Family, events: Sequence[Event]) -> None:
    answer = fold(events)
    failure = None if isinstance(answer, Turn) else answer.failure
    if isinstance(answer, Turn):
        expected = canonical(family.whole, events)
        _check_canonical(family.whole, events, expected)
        body = encode_answer(family, answer)
        _check_strangers(family, events, body)
    elif failure is not None:
        expected = canonical(family.whole, [failure])
        body = encode_answer(family, failure)
    else:
        return
    read = _decoded(family, [body])
    _hold("both ways, whole", _like(expected, read), expected, body)


def _check_strangers(family: Family, events: Iterable[Event], body: bytes) -> None:
    """What only the opaque data of other families says must not be in what was written."""
    ends = [event for event in events if isinstance(event, BlockEnd) and event.opaque]
    strange = [end.opaque for end in ends if end.opaque and end.opaque.family != family.name]
    if not strange:
        return
    told = (
        replace(one, opaque=None) if isinstance(one, BlockEnd) else one for one in joined(events)
    )
    shown = str(list(told)) + "".join(block.text for block in fold(events).blocks)
    words = {word for opaque in strange for word in _words(_parsed(opaque.json))}
    telling = (word for word in sorted(words) if len(word) >= _TELLING and " " not in word)
    written = [word for word in telling if word.encode() in body and _bare(word) not in shown]
    _hold("nobody else's", written, [], body)


def _bare(word: str) -> str:
    """The base64 of a ``data:`` URL; any other text as it is."""
    return word.partition(",")[2] if word.startswith("data:") else word


def _words(tree: object) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict | list):
        for inner in tree.values() if isinstance(tree, dict) else tree:
            yield from _words(inner)


def _check_in_time(family: Family, events: Sequence[Event]) -> None:
    """The text of the first block that is open, and of those before it, must be out."""
    encoder, decoder = Encoder(family), Decoder(family)
    given, read = Accumulator(), Accumulator()
    open_blocks: set[int] = set()
    for event in events:
        given.extend([event])
        if isinstance(event, BlockEnd):
            open_blocks.discard(event.index)
        elif (index := getattr(event, "index", None)) is not None:
            open_blocks.add(index)
        for frame in encoder.encode(event):
            read.extend(decoder.feed(encode_frame(frame.data, frame.event)))
        if isinstance(event, Stop | Failure):
            break
        due = min(open_blocks, default=len(given.partial().blocks))
        _hold("in time", _prose(read, len(read.partial().blocks)), _prose(given, due), b"")


def _prose(given: Accumulator, last: int) -> str:
    blocks = given.partial().blocks[: last + 1]
    return "".join(block.text for block in blocks if block.kind in ("text", "refusal"))


def _check_ends(family: Family, events: Sequence[Event]) -> None:
    """A stream that lost its last frame is no whole answer."""
    encoder, decoder = Encoder(family), Decoder(family)
    frames = [frame for event in events for frame in encoder.encode(event)]
    read: list[Event] = []
    for frame in frames[:-1]:
        read += decoder.feed(encode_frame(frame.data, frame.event))
    read += decoder.close(clean=False)
    _hold("no false end", [event for event in read if isinstance(event, Stop)], [], b"")


def _decoded(family: Family, reads: Iterable[bytes]) -> list[Event]:
    decoder = Decoder(family)
    events = [event for read in reads for event in decoder.feed(read)]
    return events + decoder.close()


def _like(expected: list[Event], read: list[Event]) -> list[Event]:
    """What was read, joined, without opaque data where none is expected.

    A family dresses what it writes: ids of items, names of keys. What it puts around a block that had
    nothing of the family's own is no part of the answer.
    """
    bare: list[Event] = []
    opaque = {event.index: event.opaque for event in expected if isinstance(event, BlockEnd)}
    for event in joined(read):
        if isinstance(event, BlockEnd) and event.opaque is not None:
            wanted = opaque.get(event.index)
            same = wanted is not None and _parsed(wanted.json) == _parsed(event.opaque.json)
            bare.append(replace(event, opaque=wanted if same or wanted is None else event.opaque))
        else:
            bare.append(event)
    return bare


def _parsed(json: str | None) -> Any:
    return None if json is None else msgspec.json.decode(json or "{}")


def _hold(rule: str, found: object, expected: object, body: bytes) -> None:
    if found != expected:
        lines = [f"{rule}:", f"  found    {found}", f"  expected {expected}"]
        if isinstance(found, list) and isinstance(expected, list):
            pairs = enumerate(zip_longest(found, expected, fillvalue="nothing"))
            place, (one, other) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
            lines.insert(1, f"  at {place}, found {one}, expected {other}")
        if body:
            lines.append(f"  in {body.decode('utf-8', 'replace')}")
        raise AssertionError("\n".join(lines))
