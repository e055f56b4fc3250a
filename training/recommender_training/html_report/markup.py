"""A small writer of HTML and SVG in which text can never become markup.

Elements are made by `tag` alone. A plain string among its children or attributes is text and is
escaped; only a `Markup`, which `tag` made, goes in as it is.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TypeAlias

#: Elements that have neither content nor an end.
_VOID = frozenset({"meta", "br"})
#: Characters that HTML does not allow, and half characters that no encoding takes.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True)
class Markup:
    """A piece of a page that is already written."""

    source: str


Child: TypeAlias = Markup | str | None


def escape(text: str) -> str:
    """The text as HTML, in content and in attributes alike."""
    return html.escape(_FORBIDDEN.sub("\ufffd", text), quote=True)


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """An element. Attributes lose an underscore at the end; others become hyphens.

    Children and attributes that are None are left out. Numbers keep two decimals at most, so that
    drawings are short and the same everywhere.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children).source}</{name}>")


def join(*children: Child) -> Markup:
    """The children one after another."""
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
