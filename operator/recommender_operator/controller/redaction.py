"""Shortening of texts from pods, which may contain secrets, in time linear to their length."""

from __future__ import annotations

import functools
import re

from recommender_contract.redaction import redacted

#: Maximum length of a text in a message, in characters.
SHOWN_LIMIT = 2_048
LOG_LINES = 20
#: Characters at one end of a longer text that are searched. The kubelet keeps 4 KiB of a
#: termination message, and the operator reads 16 KiB of a log.
MESSAGE_INPUT_LIMIT = 8_192
LOG_INPUT_LIMIT = 65_536
#: A log of this length may be truncated in the middle of a token.
_MAYBE_CUT = 4_096
#: Maximum number of cached messages: most are equal at the next pass.
REMEMBERED_MESSAGES = 256

#: A possible rest of a secret whose name precedes the cut.
_CONTINUED = re.compile(r"(?i)[\s\"'\\:=]*+(?:(?:bearer|basic)\s++)?[^\r\n]*+")


def head(text: str) -> str:
    """Return the redacted start of a message, of at most SHOWN_LIMIT characters."""
    return _head(_first(text, MESSAGE_INPUT_LIMIT))


@functools.lru_cache(maxsize=REMEMBERED_MESSAGES)
def _head(text: str) -> str:
    return redacted(text)[:SHOWN_LIMIT]


def tail(text: str) -> str:
    """Return the redacted end of a log, of at most LOG_LINES lines and SHOWN_LIMIT characters."""
    if len(text) >= _MAYBE_CUT and not text.endswith("\n"):
        text = text[: _last_border(text)]
    # Redact before cutting, so that no half of a secret remains.
    shown = redacted(_last(text, LOG_INPUT_LIMIT)).strip()
    kept = "\n".join(shown.splitlines()[-LOG_LINES:])
    return kept if len(kept) <= SHOWN_LIMIT else "…" + kept[-(SHOWN_LIMIT - 1) :]


def _first(text: str, limit: int) -> str:
    """Return the start of a text, cut between two tokens: half a token may be part of a secret."""
    return text if len(text) <= limit else text[: _last_border(text[:limit])]


def _last(text: str, limit: int) -> str:
    """Return the end of a text, without a possible value of a name before the cut."""
    if len(text) <= limit:
        return text
    _, _, lines = text[-limit:].partition("\n")
    continued = _CONTINUED.match(lines)
    return lines[continued.end() :] if continued else lines


def _last_border(text: str) -> int:
    """Return the start of the last token of a text; 0 if there is only one."""
    return max(text.rfind(space) + 1 for space in " \t\n")
