"""Where the store is and as whom a client connects: from the environment, with files for secrets.

The transformer and the collector's processes share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from recommender_contract import environment
from recommender_runtime.settings import SettingsError, has_address, split_url

#: Of `RECOMMENDER_STORE_*`, for the help of the commands.
HELP = """\
  RECOMMENDER_STORE_USER           user of the store (default: its default user)
  RECOMMENDER_STORE_PASSWORD_FILE  file whose first line is the password (default: none)
  RECOMMENDER_STORE_CA             file of certificates for rediss:// (default: the system's)"""


class FilePassword(CredentialProvider):
    """A password that is read from its file for each connection, so that it may change."""

    def __init__(self, user: str, path: Path) -> None:
        self._user = user
        self._path = path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the user, unless it is the default one, and the password.

        Raises:
            AuthenticationError: the file is missing or empty.
        """
        password = read_password(self._path)
        return (self._user, password) if self._user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same; the file is in memory."""
        return self.get_credentials()


def read_password(path: Path) -> str:
    """Return the first line of a file.

    Raises:
        AuthenticationError: the file is missing or empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise AuthenticationError(f"the password of the store cannot be read: {error}") from None
    if not lines:
        raise AuthenticationError(f"{path} has no password of the store")
    return lines[0]


@dataclass(frozen=True, slots=True)
class Access:
    """Where the store is, and as whom a client connects."""

    url: str
    user: str = ""  # empty: the default user
    password_file: Path | None = None  # None: no password
    authorities: Path | None = None  # certificates in PEM; None: those of the system

    @property
    def options(self) -> dict[str, Any]:
        """Options of a client of Redis.

        It tells the store nothing of its library, which no role of a user allows.
        """
        found: dict[str, Any] = {"driver_info": None}
        if self.password_file is not None:
            found["credential_provider"] = FilePassword(self.user, self.password_file)
        if self.authorities is not None:
            found["ssl_ca_certs"] = str(self.authorities)
        return found

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password as it is now, which no log shows."""
        try:
            return () if self.password_file is None else (read_password(self.password_file),)
        except AuthenticationError:
            return ()


def parse_access(environ: Mapping[str, str]) -> Access | None:
    """Return how to connect; None without a URL.

    Raises:
        SettingsError: a variable is invalid.
    """
    url, user, password, authorities = (
        environ.get(name, "")
        for name in (
            environment.STORE_URL,
            environment.STORE_USER,
            environment.STORE_PASSWORD_FILE,
            environment.STORE_CA,
        )
    )
    if not url:
        return None
    parts = split_url(url, environment.STORE_URL)
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "RECOMMENDER_STORE_URL has a user or a password: give RECOMMENDER_STORE_USER and "
            "RECOMMENDER_STORE_PASSWORD_FILE"
        )
    if parts.scheme not in ("redis", "rediss") or not has_address(parts):
        raise SettingsError(
            f"RECOMMENDER_STORE_URL is {url[:100]!r}: give redis://HOST:PORT/DB or rediss://..."
        )
    if environ.get("RECOMMENDER_STORE_PASSWORD"):
        raise SettingsError(
            "RECOMMENDER_STORE_PASSWORD is set: write the password to a file, and give its path "
            "as RECOMMENDER_STORE_PASSWORD_FILE"
        )
    if user and not password:
        raise SettingsError("RECOMMENDER_STORE_USER needs RECOMMENDER_STORE_PASSWORD_FILE")
    if authorities and parts.scheme != "rediss":
        raise SettingsError("RECOMMENDER_STORE_CA needs a RECOMMENDER_STORE_URL with rediss://")
    files = (Path(each) if each else None for each in (password, authorities))
    return Access(url, user, *files)
