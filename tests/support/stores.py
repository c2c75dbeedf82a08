"""A store of logins, as tests fill it and look into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.auth import Secret
from gateway_stream.auth.store.kept import KeptLogin
from gateway_stream.auth.stored import StoredLogin

if TYPE_CHECKING:
    from pathlib import Path

    from gateway_stream.auth.store.login_store import LoginStore

HOST: Final = "https://adb-1.1.azuredatabricks.net"
ACCESS, REFRESH = "planted-access", "planted-refresh"


def a_login(host: str = HOST, *, profile: str | None = None, word: str = "") -> KeptLogin:
    login = StoredLogin(
        host=host,
        access_token=Secret(ACCESS + word),
        refresh_token=Secret(REFRESH + word),
        expires_at=1_700_000_000.0,
        scopes=("all-apis",),
    )
    return KeptLogin(login=login, profile=profile)


async def renew(store: LoginStore, kept: KeptLogin) -> None:
    async with store.alone(kept.key) as alone:
        await alone.save(kept, await alone.rehearse())


async def rests(store: LoginStore, host: str = HOST) -> str:
    (entry,) = await store.entries(host)
    return entry.rests


def files_of(home: Path, pattern: str) -> list[Path]:
    return sorted(home.glob(f"logins/{pattern}"))


def file_of(home: Path, pattern: str) -> Path:
    (found,) = files_of(home, pattern)
    return found


def names(home: Path) -> list[str]:
    return [path.name for path in files_of(home, "*")]


def suffixes(home: Path) -> list[str]:
    return [name.rpartition(".")[2] for name in names(home)]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def everything(home: Path) -> str:
    return "".join(path.read_text() for path in home.rglob("*") if path.is_file())


async def read(store: LoginStore, host: str = HOST) -> KeptLogin | None:
    entry = await store.find(host)
    return None if entry is None else await store.read(entry.key)
