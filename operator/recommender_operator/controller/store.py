"""The observed objects of one kind, updated by a watch and by the responses of own writes.

Both report the same object at different times and in any order, so the entry with the highest
resourceVersion wins: within a kind they are increasing integers (guaranteed since Kubernetes 1.35,
and true for etcd before). Objects are stored as compressed JSON text: a fraction of the memory of
parsed objects, no work for the garbage collector, and a separate copy for every reader.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterable, Mapping

from recommender_operator.controller.json_text import parsed, text_of
from recommender_operator.controller.kube import Object
from recommender_operator.controller.unparsed import Place, Unparsed, as_number

#: Maximum number of remembered deletions, so that no late response of a write restores an object.
REMEMBERED = 10_000

#: The level of zlib: a higher one takes more CPU, and hardly less memory.
FASTEST = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A stored object. A change of `meaning` triggers a pass."""

    uid: str
    version: int
    parent: str
    deleting: bool
    meaning: int
    urgency: int
    packed: bytes


def version_of(thing: Object) -> int:
    """Return the resourceVersion of an object as a number; 0 if it has none."""
    return as_number(str(thing["metadata"].get("resourceVersion") or ""))


def place_of(thing: Object) -> Place:
    """Return the namespace and the name of an object."""
    return str(thing["metadata"].get("namespace", "")), str(thing["metadata"]["name"])


def name_of(thing: Object) -> str:
    """Return the name of an object."""
    return str(thing["metadata"]["name"])


def label_of(thing: Object, label: str) -> str:
    """Return the value of a label of an object; empty without the label."""
    return str((thing["metadata"].get("labels") or {}).get(label, ""))


class Store:
    """A cache of one kind. Methods that change it return whether a pass is needed."""

    def __init__(
        self,
        label: str,
        *,
        slim: Callable[[Object], Object] = lambda thing: thing,
        meaning: Callable[[Object], Object] | None = None,
        parent_of: Callable[[Object], str] | None = None,
        urgency: Callable[[Object], int] = lambda _: 0,
    ) -> None:
        """`label` is the label of a child: the name of its parent; `parent_of` returns that name.

        `slim` removes unused fields. A change of `meaning` is a cause to reconcile; if it is None,
        every change is. A new leader first reconciles the parents with the lowest `urgency`.
        """
        self._slim = slim
        self._meaning = meaning
        self._label = label
        self.parent_of = parent_of or functools.partial(label_of, label=label)
        self._urgency = urgency
        self._entries: dict[Place, Entry] = {}
        self._by_parent: dict[Place, dict[Place, None]] = {}
        self._hidden: dict[str, int] = {}
        self._gone: collections.OrderedDict[str, int] = collections.OrderedDict()
        self._lists = 0

    def __len__(self) -> int:
        return len(self._entries)

    # --- reading

    def find(self, place: Place) -> Entry | None:
        """Return an entry; None if it is missing, or the operator has deleted it."""
        entry = self._entries.get(place)
        return None if entry is None or entry.uid in self._hidden else entry

    def get(self, place: Place) -> Object | None:
        """Return a copy of an object."""
        entry = self.find(place)
        return None if entry is None else _parsed(entry)

    def parents(self) -> frozenset[Place]:
        """Return the namespace and the parent of all objects."""
        return frozenset(self._by_parent)

    def by_urgency(self) -> list[tuple[int, Place]]:
        """Return the urgency, and the namespace and the parent, of all objects, in order."""
        entries = self._entries.items()
        return sorted((e.urgency, (place[0], e.parent)) for place, e in entries if e.parent)

    def select(self, namespace: str | None, wanted: Mapping[str, str]) -> list[Object]:
        """Return copies of the objects with all labels, by namespace and name."""
        parent = wanted.get(self._label)
        found = []
        for place in sorted(self._places(namespace, parent)):
            thing = self.get(place)
            own = (thing["metadata"].get("labels") or {}) if thing is not None else {}
            if thing is not None and all(own.get(k) == value for k, value in wanted.items()):
                found.append(thing)
        return found

    def _places(self, namespace: str | None, parent: str | None) -> Iterable[Place]:
        if namespace is not None and parent is not None:
            return self._by_parent.get((namespace, parent), ())
        return [place for place in self._entries if namespace in (None, place[0])]

    # --- updates

    def entry(self, thing: Object) -> Entry:
        """Return the entry of an object."""
        kept, version = self._slim(thing), version_of(thing)
        return Entry(
            uid=str(thing["metadata"].get("uid", "")),
            version=version,
            parent=self.parent_of(thing),
            deleting=bool(thing["metadata"].get("deletionTimestamp")),
            meaning=version if self._meaning is None else hash(text_of(self._meaning(kept))),
            urgency=self._urgency(kept),
            packed=zlib.compress(text_of(kept), FASTEST),
        )

    def same(self, listed: Unparsed) -> Entry | None:
        """Return the stored entry of this very version of an object; None if there is none."""
        entry = self._entries.get(listed.place)
        if entry is None or entry.version != listed.version:
            return None
        return entry if entry.uid == listed.uid else None

    def knows(self, reported: Unparsed) -> bool:
        """Return whether the stored object is as new.

        Usually it is, because a watch repeats the response of each own write.
        """
        entry = self._entries.get(reported.place)
        return entry is not None and entry.version >= reported.version

    def put(self, thing: Object) -> bool:
        """Add an object, unless the stored one is as new."""
        place = place_of(thing)
        before = self._entries.get(place)
        if before is not None and before.version >= version_of(thing):
            return False
        return self._take(place, self.entry(thing))

    def _take(self, place: Place, entry: Entry) -> bool:
        before = self._entries.get(place)
        if before is not None and before.version >= entry.version:
            return False
        if self._gone.get(entry.uid, -1) >= entry.version:
            return False
        if entry.deleting:
            # An object that the operator deleted still exists: it waits for its finalizers.
            self._hidden.pop(entry.uid, None)
        self._set(place, entry)
        return before is None or before.uid != entry.uid or before.meaning != entry.meaning

    def remove(self, gone: Unparsed) -> bool:
        """Remove an object that was deleted at its resourceVersion."""
        self._bury(gone.uid, gone.version)
        entry = self._entries.get(gone.place)
        if entry is None or entry.version > gone.version:
            return False
        self._drop(gone.place)
        return True

    def hide(self, place: Place, uid: str) -> bool:
        """Hide an object that the operator has deleted, until a watch or list reports it."""
        entry = self._entries.get(place)
        if entry is None or entry.uid != uid or entry.deleting:
            return False
        self._hidden[uid] = self._lists
        return True

    def forget(self, place: Place, entry: Entry) -> bool:
        """Remove an entry whose object was not found by a read."""
        if self._entries.get(place) is not entry:
            return False
        self._bury(entry.uid, entry.version)
        self._drop(place)
        return True

    def start_list(self) -> int:
        """Return the number of the next list."""
        self._lists += 1
        return self._lists

    def replace(self, number: int, listed: Mapping[Place, Entry], version: int) -> set[Place]:
        """Replace the content by a list at a resourceVersion; return the parents that need a pass.

        Objects that the operator has written meanwhile are newer than the list, and stay.
        """
        changed: set[Place] = set()
        for uid, before in list(self._hidden.items()):
            if before < number:
                del self._hidden[uid]
                changed |= {self._parent(place) for place in self._with(uid)}
        for place, entry in listed.items():
            if self._take(place, entry):
                changed.add(self._parent(place))
        for place, entry in list(self._entries.items()):
            if place not in listed and entry.version <= version:
                changed.add(self._parent(place))
                self._bury(entry.uid, entry.version)
                self._drop(place)
        return changed

    def clear(self) -> set[Place]:
        """Remove all entries; return their parents."""
        known = set(self._by_parent)
        self._entries.clear()
        self._by_parent.clear()
        self._hidden.clear()
        self._gone.clear()
        return known

    # --- storage

    def _with(self, uid: str) -> list[Place]:
        return [place for place, entry in self._entries.items() if entry.uid == uid]

    def _parent(self, place: Place) -> Place:
        """Return the namespace and the parent of an object."""
        return place[0], self._entries[place].parent

    def _set(self, place: Place, entry: Entry) -> None:
        before = self._entries.get(place)
        if before is not None and before.parent != entry.parent:
            self._unlink(place, before.parent)
        if before is not None and before.uid != entry.uid:
            self._hidden.pop(before.uid, None)
            self._bury(before.uid, before.version)
        self._entries[place] = entry
        if entry.parent:
            self._by_parent.setdefault((place[0], entry.parent), {})[place] = None

    def _drop(self, place: Place) -> None:
        entry = self._entries.pop(place)
        self._hidden.pop(entry.uid, None)
        self._unlink(place, entry.parent)

    def _unlink(self, place: Place, parent: str) -> None:
        places = self._by_parent.get((place[0], parent))
        if places is not None:
            places.pop(place, None)
            if not places:
                del self._by_parent[place[0], parent]

    def _bury(self, uid: str, version: int) -> None:
        self._gone[uid] = max(version, self._gone.pop(uid, -1))
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)


def _parsed(entry: Entry) -> Object:
    found: Object = parsed(zlib.decompress(entry.packed))
    return found
