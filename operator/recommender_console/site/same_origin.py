"""Checks that a request comes from a page of the console itself."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_own(headers: Mapping[str, str]) -> bool:
    """Return whether a form was sent by a page of this site.

    Browsers set both headers, and no script of another site can change them. A request without
    either is none of a browser's forms.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin, host = headers.get("Origin"), headers.get("Host")
    return bool(origin and host) and urlsplit(origin).netloc.lower() == str(host).lower()


def is_foreign_link(headers: Mapping[str, str]) -> bool:
    """Return whether a link of another site leads here, so that the cookie was kept back."""
    return (
        headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        and headers.get("Sec-Fetch-Mode") == "navigate"
    )


def local_path(text: str) -> str:
    """Return a path of this site to go on with; the first page for anything else."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if plain and text.startswith("/") and not text.startswith("//") else "/"
