"""CEL rules of `spec.serving.callers`."""

from __future__ import annotations

#: Headers with a meaning of their own.
TAKEN = ("authorization", "content-length", "content-type", "cookie", "host", "x-deadline-ms")
CALLERS = (
    (
        "!has(self.userHeader) || !has(self.trusted) || !self.trusted",
        "serving.callers.trusted and serving.callers.userHeader are mutually exclusive: a trusted "
        "caller may name any user, and the header names the only one",
    ),
    (
        "!has(self.userHeader) || !self.userHeader.startsWith('x-recommender-') && "
        f"!self.userHeader.startsWith('x-request-') && !(self.userHeader in {list(TAKEN)})",
        "serving.callers.userHeader has a meaning of its own: let the Gateway set another header, "
        "such as x-user-id",
    ),
)
