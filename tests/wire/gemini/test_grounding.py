"""Bytes of what was said as characters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.wire.gemini.grounding import Said

TEXTS = st.lists(st.text("aé€😀", max_size=9) | st.integers(4090, 9000).map("é".__mul__))


@given(TEXTS, st.data())
def test_a_byte_has_the_whole_characters_before_it(texts: list[str], data: st.DataObject) -> None:
    said = Said()
    for number, text in enumerate(texts):
        said.add(text)
        if number % 2:
            said.read()
    written = "".join(texts).encode()
    assert said.read() == written
    assert bool(said) is bool(written)
    end = data.draw(st.integers(0, len(written)))
    assert said.characters(end) == len(written[:end].decode("utf-8", "ignore"))
