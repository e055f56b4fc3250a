"""Shortening and redaction of texts from pods, which may contain secrets.

Anybody who may start a pod controls these texts, so the cost must be linear. A pattern starts at a
keyword or at `://`, never inside a run of characters that an earlier match has read, so each
character is read a fixed number of times; only web tokens need the ends of a run, and are parsed
in Python.
"""

from __future__ import annotations

import functools
import re

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

_REDACTED = "[redacted]"
#: The prefix of a name (`DB_`, `s3.`) needs no match. A value in quotes ends with its quote, also
#: in JSON inside JSON.
_SECRET = re.compile(
    r"""(?ix)
    (?P<name> (?: password | passwd | secret | token | credentials?
                | (?: api | access | private | secret ) [_-]? key )
              (?: \\{0,3} ["'] )? \s*+ [:=] \s*+ )
    (?: (?P<quote> \\{0,3} ["'] )
        (?: (?: bearer | basic ) \s++ )? (?: [^"'\\\r\n] | \\ [^\r\n]? )++
      | (?: (?: bearer | basic ) \s++ )? [^\s"',;}]++ )
    """
)
_HEADER = re.compile(r"(?i)(?P<name>authorization[\"']?\s*[:=]\s*[\"']?)[^\r\n\"']+")
_URL = re.compile(r"(?P<name>://[^\s:/@]*+:)[^\s@/]++(?=@)")
_TOKEN = re.compile(r"(?<![\w.-])[\w.-]++")
#: Minimum length of the first two parts of a web token, without `eyJ`.
_TOKEN_PART = 8
#: A possible rest of a secret whose name precedes the cut.
_CONTINUED = re.compile(r"(?i)[\s\"'\\:=]*+(?:(?:bearer|basic)\s++)?[^\r\n]*+")


def redacted(text: str) -> str:
    """Return a text with possible secrets removed, in time proportional to its length."""
    if "eyJ" in text:
        text = _TOKEN.sub(lambda match: _without_web_tokens(match[0]), text)
    text = _HEADER.sub(rf"\g<name>{_REDACTED}", text)
    text = _SECRET.sub(_hidden, text)
    return _URL.sub(rf"\g<name>{_REDACTED}", text)


def _hidden(match: re.Match[str]) -> str:
    return match["name"] + (match["quote"] or "") + _REDACTED


def _without_web_tokens(run: str) -> str:
    """Return a run of word characters, dots and dashes without its JSON web tokens."""
    parts = run.split(".")
    kept = []
    at = 0
    while at < len(parts):
        part = parts[at]
        start = 0 if part.startswith("eyJ") else part.find("-eyJ") + 1
        found = part.startswith("eyJ", start) and len(part) >= start + 3 + _TOKEN_PART
        if found and at + 2 < len(parts) and len(parts[at + 1]) >= _TOKEN_PART:
            kept.append(part[:start] + _REDACTED)
            at += 3
        else:
            kept.append(part)
            at += 1
    return ".".join(kept)


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
