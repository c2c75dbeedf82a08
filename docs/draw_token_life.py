"""Draws the picture of a token's life: ``python docs/draw_token_life.py docs/explanation/token-life.svg``.

Times are what `gateway_stream.auth` makes of a token of one hour, so the picture cannot tell another story than the code.
It brings its own background and follows the reader's light or dark.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway_stream.auth import Secret, Token

HOUR = 3600.0
SPAN = 90 * 60.0
LEFT, RIGHT, WIDTH = 176, 32, 960
LANE, TOP, BAR = 74, 64, 22

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.small { font-size: 11.5px; fill: #57606a } .lane { font-weight: 600 }
.ground { fill: #ffffff; stroke: #d0d7de } .line { stroke: #d0d7de } .tick { stroke: #8c959f }
.fresh { fill: #2da44e } .stale { fill: #d4a72c } .over { fill: #cf222e } .dead { fill: #8c959f; opacity: .35 }
.edge { stroke: #ffffff; stroke-width: 2 } .fetch { fill: #0969da } .failed { stroke: #cf222e; stroke-width: 2; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 }
  .ground { fill: #0d1117; stroke: #3d444d } .line { stroke: #3d444d } .tick { stroke: #656c76 }
  .fresh { fill: #3fb950 } .stale { fill: #d29922 } .over { fill: #f85149 } .edge { stroke: #0d1117 } .fetch { fill: #4493f8 }
  .failed { stroke: #f85149 }
}
"""


def token_from(moment: float) -> Token:
    """A token of one hour that came then."""
    return Token(value=Secret("picture"), obtained_at=moment, expires_at=moment + HOUR)


def across(moment: float) -> float:
    """Where a moment stands."""
    return round(LEFT + (WIDTH - LEFT - RIGHT) * moment / SPAN, 1)


def bar(kind: str, start: float, end: float, y: float) -> str:
    """A span of time in a lane."""
    width = round(across(min(end, SPAN)) - across(start), 1)
    return f'<rect class="{kind}" x="{across(start)}" y="{y}" width="{width}" height="{BAR}"/>'


def life(token: Token, y: float, *, until: float = SPAN) -> list[str]:
    """A token's bars, as far as it is used."""
    kinds = ("fresh", "stale", "over")
    ends = (token.stale_at, token.over_at, token.expires_at or SPAN)
    bars, start = [], token.obtained_at
    for kind, end in zip(kinds, ends, strict=True):
        if start < until:
            bars.append(bar(kind, start, min(end, until), y))
        start = end
    return bars


def note(moment: float, y: float, text: str, anchor: str = "start") -> str:
    """Small words at a moment."""
    return f'<text class="small" x="{across(moment)}" y="{y}" text-anchor="{anchor}">{text}</text>'


def fetched(moment: float, y: float) -> str:
    """A fetch that brought a token, and the edge between the one before and it."""
    x = across(moment)
    return (
        f'<path class="edge" d="M{x} {y}v{BAR}"/><path class="fetch" d="M{x} {y - 3}l-5 -9h10z"/>'
    )


def missed(moment: float, y: float) -> str:
    """A fetch that failed."""
    x = across(moment)
    return f'<path class="failed" d="M{x - 4} {y - 12}l8 8m0 -8l-8 8"/>'


def clock(moment: float) -> str:
    """Minutes and seconds."""
    return f"{int(moment // 60)}:{int(moment % 60):02}"


def draw() -> str:
    """The picture."""
    first = token_from(0)
    lanes = (
        ("One hour,", "as it is judged"),
        ("Renewed", "behind the scenes"),
        ("The server is", "down for a while"),
        ("Nobody asks", "for a while"),
    )
    height = TOP + LANE * len(lanes) + 36
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The life of a token of one hour</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
    ]
    parts += legend()
    for number, (name, more) in enumerate(lanes):
        y = TOP + LANE * number
        parts.append(f'<text class="lane" x="16" y="{y + 11}">{name}</text>')
        parts.append(f'<text class="lane" x="16" y="{y + 27}">{more}</text>')
    rows = [TOP + LANE * number for number in range(len(lanes))]
    parts += judged(first, rows[0]) + renewed(first, rows[1])
    parts += struggling(first, rows[2]) + idle(first, rows[3])
    axis = height - 30
    parts.append(f'<path class="tick" d="M{LEFT} {axis}H{WIDTH - RIGHT}"/>')
    for minute in range(0, 91, 10):
        parts.append(f'<path class="tick" d="M{across(minute * 60)} {axis}v5"/>')
        parts.append(note(minute * 60, axis + 18, f"{minute} min", "middle"))
    return "\n".join([*parts, "</svg>", ""])


def legend() -> list[str]:
    """What the colours mean."""
    parts, x = [], LEFT
    words = (
        ("fresh", "fresh: sent"),
        ("stale", "stale: sent, while the next is fetched"),
        ("over", "over: not sent"),
    )
    for kind, text in words:
        parts.append(f'<rect class="{kind}" x="{x}" y="16" width="12" height="12"/>')
        parts.append(f'<text class="small" x="{x + 18}" y="26">{text}</text>')
        x += 44 + round(5.9 * len(text))
    parts.append(f'<path class="fetch" d="M{x} 27l-5 -9h10z"/>')
    parts.append(f'<text class="small" x="{x + 12}" y="26">fetched</text>')
    parts.append(f'<path class="failed" d="M{x + 76} 18l8 8m0 -8l-8 8"/>')
    parts.append(f'<text class="small" x="{x + 92}" y="26">failed</text>')
    return parts


def judged(first: Token, y: float) -> list[str]:
    """What a token of one hour is when."""
    below = y + BAR + 15
    return [
        fetched(0, y),
        *life(first, y),
        bar("dead", HOUR, SPAN, y),
        note(0, below, "0:00"),
        note(first.stale_at, below, clock(first.stale_at), "middle"),
        note(first.over_at, below, clock(first.over_at), "end"),
        note(HOUR, below, f"{clock(HOUR)}: the server refuses it"),
    ]


def renewed(first: Token, y: float) -> list[str]:
    """The usual course."""
    second, third = token_from(first.stale_at), token_from(2 * first.stale_at)
    text = "no request waits for a token but the first"
    return [
        fetched(0, y),
        *life(first, y, until=first.stale_at),
        *life(second, y, until=third.obtained_at),
        *life(third, y),
        fetched(second.obtained_at, y),
        fetched(third.obtained_at, y),
        note(0, y + BAR + 15, text),
    ]


def struggling(first: Token, y: float) -> list[str]:
    """Failures while the old token serves: after back-offs with jitter, of a minute at most."""
    back_offs = (0, 1.4, 2.9, 6.1, 12, 21, 38, 55, 49, 58, 52, 60)
    moments = [first.stale_at + sum(back_offs[: count + 1]) for count in range(len(back_offs))]
    good = token_from(moments[-1] + 47)
    text = "requests go on with the old token; a notice and the log tell"
    return [
        fetched(0, y),
        *life(first, y, until=good.obtained_at),
        *(missed(moment, y) for moment in moments),
        *life(good, y, until=good.stale_at),
        *life(token_from(good.stale_at), y),
        fetched(good.obtained_at, y),
        fetched(good.stale_at, y),
        note(0, y + BAR + 15, text),
    ]


def idle(first: Token, y: float) -> list[str]:
    """What nobody wants is left to expire."""
    again = token_from(72 * 60.0)
    text = "the token is left to expire; the next request waits for a new one"
    return [
        fetched(0, y),
        *life(first, y),
        bar("dead", HOUR, again.obtained_at, y),
        *life(again, y),
        fetched(again.obtained_at, y),
        note(0, y + BAR + 15, text),
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw())
