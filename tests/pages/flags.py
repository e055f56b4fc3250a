"""Flags of the programs of others, as far as the pages use them: pure.

A flag that is not here fails the test: look it up in the program's help, then add it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: Whether a flag has a value.
Flags = dict[str, bool]


@dataclass
class Line:
    """A command line: what is left without its flags, and the values of each flag."""

    words: list[str] = field(default_factory=list)
    flags: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def value(self, *names: str) -> str | None:
        """Return the last value of a flag, by any of its names."""
        found = [value for name in names for value in self.flags.get(name, [])]
        return found[-1] if found else None


def read(words: Sequence[str], known: Flags) -> Line:
    """Read a command line, with flags as `-f`, `--flag`, `--flag value` or `--flag=value`."""
    line = Line()
    rest = iter(words)
    for word in rest:
        if word == "--":
            line.words += rest
        elif not word.startswith("-") or word == "-":
            line.words.append(word)
        else:
            _read_flag(word, rest, known, line)
    return line


def _read_flag(word: str, rest: Iterator[str], known: Flags, line: Line) -> None:
    name, given, value = word.partition("=")
    if name not in known:
        line.problems.append(f"{name} is no known flag")
        return
    if known[name] and not given:
        value = next(rest, "")
        if not value:
            line.problems.append(f"{name} has no value")
    line.flags.setdefault(name, []).append(value)
