"""A small writer of HTML and SVG in which text can never become markup.

Only `tag` creates elements. It escapes plain strings among its children and attributes; a `Markup`
from `tag` stays unchanged. There is no template, and so no place to forget the escaping in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

#: Elements without content and end tag.
_VOID = frozenset({"meta", "br", "input", "link"})
#: Characters that HTML does not allow, and lone surrogates.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True)
class Markup:
    """Finished HTML or SVG source."""

    source: str


Child: TypeAlias = Markup | str | None


def escape(text: str) -> str:
    """Escape text for content and attributes."""
    return html.escape(_FORBIDDEN.sub("\ufffd", text), quote=True)


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element. A trailing underscore of an attribute is removed; others become hyphens.

    Skips children and attributes that are None. Numbers have at most two decimals.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children).source}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Concatenate the children."""
    return Markup(
        "".join(
            child.source if isinstance(child, Markup) else escape(child)
            for child in children
            if child is not None
        )
    )


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
