"""Request ids that prove to the collector who got the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recommender_contract.ids import hashed
from recommender_contract.signed_ids import signed
from recommender_serving.key_file import KeyFile


def signer(model: str, folder: Path | None) -> Callable[[str, int | str], str]:
    """Return what adds the proof to the id of a request of a user; without a key it adds none."""
    if folder is None:
        return lambda id_, _: id_
    file = KeyFile(folder / "signing")

    def sign(id_: str, user: int | str) -> str:
        keys = file.keys()
        number = hashed(user) if isinstance(user, str) else user
        return signed(id_, model, number, keys[0]) if keys else id_

    return sign
