"""Addresses and keys of the receivers: files of a mounted Secret, read at each try.

So a rotated key needs no restart, and no setting, log or status has one.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from recommender_operator.notifications import signing
from recommender_operator.notifications.receivers import AddressError

#: Maximum bytes of an entry.
LIMIT = 4_096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Credentials:
    """The entries NAME.url, NAME.key and NAME.token; it never shows what they are."""

    url: str = dataclasses.field(repr=False)
    key: bytes | None = dataclasses.field(default=None, repr=False)
    token: str = dataclasses.field(default="", repr=False)


def read_credentials(folder: Path, name: str) -> Credentials:
    """Return the entries of a receiver.

    Raises:
        AddressError: there is no address, or an entry is not valid.
    """
    url = _entry(folder, f"{name}.url")
    if url is None:
        raise AddressError(f"the Secret has no entry {name}.url")
    key, token = _entry(folder, f"{name}.key"), _entry(folder, f"{name}.token") or ""
    if not token.isprintable() or " " in token or not token.isascii():
        raise AddressError(f"the entry {name}.token has characters that no token has")
    try:
        return Credentials(
            url=url, key=signing.key_of(key) if key is not None else None, token=token
        )
    except signing.InvalidKeyError as error:
        raise AddressError(str(error)) from None


def _entry(folder: Path, name: str) -> str | None:
    """Return an entry; None only if there is none: a broken key must not mean no signature."""
    try:
        with (folder / name).open("rb") as file:
            content = file.read(LIMIT + 1)
        text = content.decode().strip() if len(content) <= LIMIT else ""
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text:
        raise AddressError(f"the entry {name} is empty, too long, not UTF-8 or not readable")
    return text
