"""An object of a list or a watch as JSON text, of which only name and version are read.

Nearly all objects of a resync are stored already in that version, and most events of a watch
repeat the response of an own write, so most of these texts are never parsed.
"""

from __future__ import annotations

import msgspec

from recommender_operator.controller.json_text import parsed
from recommender_operator.controller.kube import KubeError, Object

#: Namespace and name of an object.
Place = tuple[str, str]


class _Metadata(msgspec.Struct, gc=False):
    #: A bookmark has only a resourceVersion.
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""  # noqa: N815 (the name in the API)


class _Head(msgspec.Struct, gc=False):
    metadata: _Metadata


_HEADS = msgspec.json.Decoder(_Head)


class Unparsed:
    """The text of an object; `version` is its resourceVersion as a number."""

    __slots__ = ("_text", "place", "uid", "version")

    def __init__(self, text: bytes | msgspec.Raw) -> None:
        """Read name and version.

        Raises:
            ValueError: it is not an object of the API.
        """
        try:
            metadata = _HEADS.decode(text).metadata
        except RecursionError as error:
            raise ValueError(str(error)) from error
        self.place: Place = (metadata.namespace, metadata.name)
        self.uid = metadata.uid
        self.version = as_number(metadata.resourceVersion)
        self._text = text

    def parsed(self) -> Object:
        """Return the object.

        Raises:
            KubeError: the text is not JSON.
        """
        try:
            thing: Object = parsed(self._text)
        except ValueError as error:
            raise KubeError(f"{'/'.join(self.place)}: {error}") from error
        return thing


def as_number(version: str) -> int:
    """Return a resourceVersion as a number; 0 if there is none."""
    return int(version) if version.isdigit() else 0
