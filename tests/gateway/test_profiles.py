"""The profiles of ``.databrickscfg``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.profiles import read_profile

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
; a comment
[DEFAULT]
host = https://default.cloud.databricks.com
token = dapiDEFAULT

[with.dot]
Host = https://dot.cloud.databricks.com/
token = dapi%(x)s;#=[z]
workspace_id = none
empty =

[bare]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / ".databrickscfg"
    path.write_text(FILE)
    return path


def test_a_named_profile_is_its_section_and_nothing_of_default(path: Path) -> None:
    profile = read_profile(path, "with.dot")
    assert profile is not None
    assert profile.values == {
        "host": "https://dot.cloud.databricks.com/",
        "token": "dapi%(x)s;#=[z]",
    }


def test_without_a_name_it_is_the_default_section(path: Path) -> None:
    profile = read_profile(path, None)
    assert profile is not None
    assert (profile.name, profile.values["token"]) == ("DEFAULT", "dapiDEFAULT")


def test_the_file_can_name_its_default_profile(path: Path) -> None:
    path.write_text(f"[__settings__]\ndefault_profile = with.dot\n{FILE}")
    profile = read_profile(path, None)
    assert profile is not None
    assert profile.name == "with.dot"


def test_a_name_outranks_the_files_default_profile(path: Path) -> None:
    path.write_text(f"[__settings__]\ndefault_profile = with.dot\n{FILE}")
    profile = read_profile(path, "DEFAULT")
    assert profile is not None
    assert profile.values["token"] == "dapiDEFAULT"


def test_an_empty_profile_can_be_named(path: Path) -> None:
    profile = read_profile(path, "bare")
    assert profile is not None
    assert profile.values == {}


@pytest.mark.parametrize("text", ["", "[DEFAULT]\n", "[other]\ntoken = x\n", "[__settings__]\n"])
def test_a_file_without_default_has_no_default_profile(path: Path, text: str) -> None:
    path.write_text(text)
    assert read_profile(path, None) is None


def test_an_absent_file_has_no_default_profile(tmp_path: Path) -> None:
    assert read_profile(tmp_path / "absent", None) is None


def test_a_missing_profile_is_an_error_that_lists_the_names(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_profile(path, "prod")
    assert "'prod'" in str(caught.value)
    assert "DEFAULT, with.dot, bare" in str(caught.value)
    assert "dapi" not in str(caught.value)


def test_a_default_profile_that_is_missing_is_an_error(path: Path) -> None:
    path.write_text(f"[__settings__]\ndefault_profile = gone\n{FILE}")
    with pytest.raises(ConfigError, match="'gone'"):
        read_profile(path, None)


@pytest.mark.parametrize("name", ["__settings__", "prod"])
def test_settings_are_no_profile(path: Path, name: str) -> None:
    path.write_text(f"[__settings__]\ndefault_profile = with.dot\n{FILE}")
    with pytest.raises(ConfigError, match="no profile"):
        read_profile(path, name)


def test_a_byte_order_mark_is_no_text(path: Path) -> None:
    path.write_text(FILE.strip(), encoding="utf-8-sig")
    assert read_profile(path, "bare") is not None


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(b"token = dapi0123\n", id="a line before every section"),
        pytest.param(b"[a]\ndapi0123\n", id="a line without a value"),
        pytest.param(b"[a]\ntoken = 1\ntoken = dapi0123\n", id="a key twice"),
        pytest.param(b"[dapi0123]\n[dapi0123]\n", id="a section twice"),
        pytest.param(b"[a]\ntoken = dapi0123\xff\n", id="bytes that are no text"),
    ],
)
def test_a_spoiled_file_is_an_error_that_quotes_no_line(path: Path, spoiled: bytes) -> None:
    path.write_bytes(spoiled)
    with pytest.raises(ConfigError, match=r"\.databrickscfg is not") as caught:
        read_profile(path, None)
    assert "dapi0123" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_profile(tmp_path, None)


def test_a_profile_does_not_show_its_token(path: Path) -> None:
    assert "dapi" not in repr(read_profile(path, "DEFAULT"))
