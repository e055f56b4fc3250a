"""Categories that share buckets by a hash: for features with more values than a model can hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence


def bucket(text: str, count: int) -> int:
    """Return the bucket of a category, from 0 to `count` - 1.

    The first 8 bytes, big-endian, of BLAKE2b (RFC 7693) with a digest of 8 bytes and no key, of
    the text in UTF-8, modulo `count`.
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def names(count: int) -> tuple[str, ...]:
    """Return the names of the buckets, which stand for their categories."""
    return tuple(f"#{number}" for number in range(count))


class HashedIndex(Mapping[str, int]):
    """The bucket of any text; that of a bucket's name is the bucket itself."""

    def __init__(self, buckets: Sequence[str]) -> None:
        self._names = tuple(buckets)
        self._own = {name: number for number, name in enumerate(buckets)}

    def __getitem__(self, text: str) -> int:
        """Return the bucket; every text has one."""
        found = self._own.get(text)
        return bucket(text, len(self._own)) if found is None else found

    def name(self, text: str) -> str:
        """Return the name of the bucket of a text."""
        return self._names[self[text]]

    def __contains__(self, text: object) -> bool:
        """Return whether a text has a bucket."""
        return isinstance(text, str)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the buckets."""
        return iter(self._own)

    def __len__(self) -> int:
        """Return the number of buckets."""
        return len(self._own)


def index(categories: Sequence[str], *, hashed: bool) -> Mapping[str, int]:
    """Return the index of each category, or the bucket of any text."""
    if hashed:
        return HashedIndex(categories)
    return {name: code for code, name in enumerate(categories)}
