"""Profiles: the sections of ``~/.databrickscfg``, which Databricks' tools share.

The rules are those of Databricks' SDKs, so that one file means the same to all:

- A section is a profile. ``[DEFAULT]`` is a profile like the others; nothing of it is merged into
  them, whatever INI files elsewhere do with a section of that name.
- ``[__settings__]`` is no profile. Its ``default_profile`` names the profile to use where none is
  named; without it that is ``[DEFAULT]``, if there is one. Its ``auth_storage`` is the Databricks CLI's
  own affair, which keeps its logins there and reads it itself.
- A profile that somebody names and that is not there is an error. Without a name, an absent file
  or an absent ``[DEFAULT]`` is none.
- A value is the rest of its line: no comments in it, no ``%`` interpolation. An empty value is no
  value, and so is ``workspace_id = none``, which the CLI writes for "not chosen".

Errors name the file, and the profiles in it, never a line: any line may hold a token.

Sources: databricks-sdk-py (``config.py``: ``_resolve_profile``, ``_known_file_config_loader``);
databricks/cli (``libs/auth``: ``WorkspaceIDNone``).
"""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Profile", "profile_path", "read_profile", "read_profiles"]

_SETTINGS: Final = "__settings__"
_DEFAULT: Final = "DEFAULT"


class Profile(msgspec.Struct, frozen=True):
    """One section: its name, and its values by key, none of them empty and none of them shown."""

    name: str
    values: dict[str, str]

    def __repr__(self) -> str:
        return f"Profile({self.name!r})"


def profile_path(environ: Mapping[str, str], home: Path | None) -> Path | None:
    """The file of profiles: ``DATABRICKS_CONFIG_FILE``, or ``.databrickscfg`` in the home folder."""
    text = environ.get("DATABRICKS_CONFIG_FILE")
    if not text:
        return home / ".databrickscfg" if home else None
    return home / text[2:] if text.startswith("~/") and home else Path(text)


def read_profiles(path: Path) -> list[Profile]:
    """All profiles of the file, in its order; none where there is no file.

    Raises:
        ConfigError: the file cannot be read.
    """
    sections = _sections(path)
    sections.pop(_SETTINGS, None)
    return [Profile(name, values) for name, values in sections.items()]


def read_profile(path: Path, name: str | None) -> Profile | None:
    """The profile of that name, or without a name the default. Reads the file.

    Returns:
        ``None`` where no profile is named and there is no default.

    Raises:
        ConfigError: the named profile is not there, or the file cannot be read.
    """
    sections = _sections(path)
    settings = sections.pop(_SETTINGS, {})
    wanted = name or str(settings.get("default_profile", ""))
    if not wanted:
        return Profile(_DEFAULT, sections[_DEFAULT]) if sections.get(_DEFAULT) else None
    if wanted not in sections:
        there = ", ".join(sections) or "none"
        message = f"there is no profile {wanted!r} in {path}"
        raise ConfigError(message, hint=f"Name one that is there ({there}), or add it.")
    return Profile(wanted, sections[wanted])


def _sections(path: Path) -> dict[str, dict[str, str]]:
    # No section is the parser's default section: it would be merged into the others.
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    problem = None
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except configparser.Error as error:
        problem = _spoiled(error)
    # Raised out here, because the parser's errors quote lines and would come along as context.
    if problem is not None:
        message = f"{path} {problem}"
        raise ConfigError(
            message, hint="Mend it, or give host and token as arguments or in the environment."
        )
    return {
        section: {
            key: Hidden(value)
            for key, value in parser.items(section)
            if value and (key, value) != ("workspace_id", "none")
        }
        for section in parser.sections()
    }


def _spoiled(error: configparser.Error) -> str:
    line = getattr(error, "lineno", None)
    if line is None and isinstance(error, configparser.ParsingError) and error.errors:
        line = error.errors[0][0]
    where = f" from line {line} on" if line else ""
    return f"is not made of [sections] with 'key = value' lines{where}"
