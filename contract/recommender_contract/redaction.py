"""Redaction of texts that may contain secrets.

Anybody who may start a pod controls texts that are logged, so the cost must be linear. A pattern
starts at a keyword or at `://`, never inside a run of characters that an earlier match has read,
so each character is read a fixed number of times; only web tokens need the ends of a run, and are
parsed in Python.
"""

from __future__ import annotations

import re

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
