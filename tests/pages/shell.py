"""The commands of a block of shell, word by word: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

Command = tuple[str, ...]
_TOKEN = re.compile(
    r"""(?P<space>(?:[ \t]|\\\n)+)
      |(?P<comment>\#[^\n]*)
      |(?P<redirect>\d*(?:>>|>&|>|<))
      |(?P<end>\n|;|&&|\|\||\||&)
      |(?P<word>(?:'[^']*'|"(?:\\.|[^"\\])*"|\$\([^()]*\)|\\.|[^\s'"\\;|&<>])+)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)""", re.DOTALL)
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
#: Words of the shell's own grammar that stand before a command.
_KEYWORDS = {"do", "then", "else", "if", "while", "until", "!"}
_ENDS = {"done", "fi"}


def commands(text: str) -> list[Command]:
    """Return the simple commands of a script, without assignments and redirections.

    Raises:
        ValueError: the text is not in the small part of the shell's grammar that pages use.
    """
    return [command for words in _split(text) if (command := _command(words))]


def _split(text: str) -> Iterator[list[str]]:
    words: list[str] = []
    at, target = 0, False
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"not understood: {text[at : at + 40]!r}")
        at = token.end()
        if token.lastgroup == "end":
            yield words
            words = []
        elif token.lastgroup == "redirect":
            target = True
        elif token.lastgroup == "word":
            # The word after a redirection is a file.
            if not target:
                words.append(_bare(token[0]))
            target = False
    yield words


def _bare(word: str) -> str:
    """Return a word as the program gets it; `$(...)` and `$NAME` stay."""

    def inner(found: re.Match[str]) -> str:
        single, double, escaped = found.groups()
        if double is not None:
            return re.sub(r'\\([\\"$`])', r"\1", double)
        return single if single is not None else escaped

    return _QUOTED.sub(inner, word)


def _command(words: list[str]) -> Command:
    rest = words
    while rest and (rest[0] in _KEYWORDS or _ASSIGNMENT.match(rest[0])):
        rest = rest[1:]
    if rest and (rest[0] in _ENDS or rest[0] == "for"):
        return ()
    return tuple(rest)
