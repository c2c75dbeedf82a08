"""Errors in the words of the command line."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gateway_stream
from gateway_stream.apps.words import PHRASES, in_command_words, line_of
from gateway_stream.errors import GatewayError, RateLimited

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(gateway_stream.__file__).parent
LIBRARY_WORDS = re.compile(
    r"\b[a-z]{2,}(?:_[a-z]+)*=(?![<a-z])|\b[a-z_]+=True|\(\)|\bevent_limit\b|error's partial|\bLower max_tokens"
    r"|client can refresh|as arguments"
)
NEVER_SHOWN = {
    "the function given as auth= is not async": "it gives no function",
    "the function given as subject= is not async": "it gives no function",
    ", client_id=": "it stands in a repr",
    "Give a source of gateway_stream.auth or an async function; a token goes into token=.": "nor a source",
    "Give a token as token=, or as auth=PAT(Secret(...)).": "nor a source",
    "auth= is ": "nor a source",
    "auth= and token= are both given": "nor a source",
    "Leave it out; token= and user_agent= set such headers.": "the command sends no headers",
    "Make another with client.stream().": "the command enters each stream once",
    "Read it to its end, or call turn(), before leaving its block.": "it reads to the end",
    "ssl= takes a TLS context, or the path of the certificates to trust": "it gives no ssl",
    "; vendor fields go into extra={...}": "its options are the library's",
    "output strict=False: the vendor always enforces the schema": "it asks for no output schema",
    'Give a list: fallback=["model-a", "model-b"].': "it names no fallback",
    "Give price=Price(input=..., output=...).": "it has no sessions",
    "Name one: fast_model=... here or in Client(...).": "it asks one model",
    "Ask for less at a time, or make the client with a larger queue_size=.": "it asks once at a time",
    ", weight=": "it stands in a repr",
    "Read or close its stream first; session.stream() asks beside the conversation.": "no sessions",
    "Say which: Limits(requests_per_minute=60).": "its clients are made right",
    "Give Retry(retries=...), or a policy's name.": "its clients are made right",
    "Say which: Timeouts(deadline=30), in seconds.": "its clients are made right",
    "Make a new one with client.session().": "no sessions",
    "Give what session.dump() gave.": "no sessions",
    "preview() shows what came of it; never run that.": "it runs no call",
}


def docstrings(tree: ast.Module) -> set[int]:
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def sentences() -> Iterator[str]:
    """Every text of the library that reads like a hint: words with blanks between."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in ("apps", "testing", "request.py", "tools.py"):
            continue
        tree = ast.parse(path.read_text())
        skipped = docstrings(tree)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in skipped
                and " " in node.value
                and "[^" not in node.value  # a pattern
            ):
                yield node.value


def hints() -> list[str]:
    return [text for text in sentences() if LIBRARY_WORDS.search(text)]


@pytest.mark.parametrize("hint", [hint for hint in hints() if hint not in NEVER_SHOWN])
def test_a_hint_names_nothing_that_only_a_program_can_give(hint: str) -> None:
    left = in_command_words(hint)
    assert LIBRARY_WORDS.search(left) is None, left


@pytest.mark.parametrize("phrase", [phrase for phrase, _ in PHRASES])
def test_every_phrase_of_the_table_is_one_of_the_library(phrase: str) -> None:
    assert any(phrase in text for text in sentences())


@pytest.mark.parametrize("hint", NEVER_SHOWN)
def test_every_exception_is_a_hint_of_the_library(hint: str) -> None:
    assert hint in set(sentences())


def test_a_line_says_how_long_to_wait() -> None:
    error = RateLimited("Too many requests.", status=429, retry_after=7.0, hint="Send fewer.")
    assert line_of(error) == "Too many requests; retry after 7 s (status 429). Send fewer."


def test_a_line_holds_nothing_that_a_terminal_obeys() -> None:
    error: GatewayError = RateLimited("slow \x1b[2J\x07down")
    assert line_of(error) == "slow [2Jdown"
