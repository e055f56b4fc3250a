"""Who may ask in whose name: plain data.

A caller who may name any user must not learn from an answer what that user did. Only plain
requests have the history of their user then: whoever chooses items, by `candidate_items`, rules,
seeds or a session, would see in what is missing which of them the user knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, with_config

from recommender_serving.domain.settings_json import STRICT_JSON

#: A user as a header names one: visible ASCII, as gRPC allows no more. With a comma it would be
#: what proxies make of two headers of the name.
_USER = re.compile(r"[!-+\--~]{1,256}")


@with_config(STRICT_JSON)
@dataclass(frozen=True, slots=True)
class Callers:
    """Trust in all callers: trusted ones may name any user; `user_header` verifies one."""

    trusted: bool = False
    # In lower case; empty if there is none.
    user_header: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,63})?$")] = ""

    @property
    def may_see_history(self) -> bool:
        """True if a caller may learn what the users did that it can name."""
        return self.trusted or bool(self.user_header)


UNKNOWN = Callers()


@dataclass(frozen=True, slots=True)
class Verified:
    """User of one call whom the Gateway verified; `user` is None if it verified nobody."""

    header: str
    user: str | None

    @property
    def is_valid(self) -> bool:
        """True if the header names nobody or one user."""
        return self.user is None or _USER.fullmatch(self.user) is not None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The header, for another version that is asked the same."""
        return () if self.user is None else ((self.header, self.user),)


def verified(headers: Mapping[str, str], header: str) -> Verified | None:
    """Return the verified user of a call; None if callers are not verified.

    A repeated header becomes one with a comma, which is not valid.
    """
    if not header:
        return None
    found = [value for name, value in headers.items() if name == header]
    return Verified(header, ",".join(found) if found else None)
