"""A guard that makes it hard to look at the test window twice."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class OnceOnly(Generic[T]):
    """Gives its value once. A second look would let choices leak into the final figures."""

    def __init__(self, value: T) -> None:
        self._value: T | None = value

    def open(self) -> T:
        """The value; raises RuntimeError the second time."""
        if self._value is None:
            raise RuntimeError("the test window was already read in this run")
        value, self._value = self._value, None
        return value
