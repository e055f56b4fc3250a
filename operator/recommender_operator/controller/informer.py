"""The cache of one kind: a list, then a watch from its resourceVersion.

It lists again if the resourceVersion is too old for the server (410), if a stream is silent for
too long, and every ten minutes (resync), to find missed changes. A broken stream continues from
the last resourceVersion.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable

from recommender_operator.controller.kube import KubeError, Object
from recommender_operator.controller.store import Entry, Store, place_of
from recommender_operator.controller.unparsed import Place
from recommender_operator.controller.watching import Event, Scope, Source

logger = logging.getLogger(__name__)

GONE, NOT_FOUND = 410, 404


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rhythm:
    """Intervals in seconds."""

    #: Time between two lists, independent of the watch.
    resync: float = 600.0
    #: Time after which the server ends a watch. This shows that it works even without events: a
    #: kind without events since the server's start gets no bookmarks either.
    watch: float = 90.0
    #: Additional time without a line or the end, after which a stream is considered broken.
    silence: float = 15.0
    #: Time between two lists of a kind that the server does not serve.
    absent: float = 30.0
    #: First and maximum pause after an error; it doubles with each error.
    pause: float = 0.5
    longest_pause: float = 30.0
    #: Maximum time that a reader waits for the first list.
    patience: float = 30.0
    #: Time without a response of the server, after which the cache is stale and not used.
    stale: float = 180.0
    #: Random change of each interval, as a share, to spread the requests.
    jitter: float = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observer:
    """Callbacks: a change of a parent or a child, whether the kind is served, and each list."""

    changed: Callable[[str, str], None] = lambda _namespace, _parent: None
    served: Callable[[bool], None] = lambda _: None
    listed: Callable[[str], None] = lambda _why: None


class Informer:
    """Keeps a store up to date, and reports the parents whose objects change."""

    def __init__(
        self,
        source: Source,
        scope: Scope,
        store: Store,
        *,
        observer: Observer | None = None,
        rhythm: Rhythm | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.scope = scope
        self.store = store
        #: Whether the API server serves the kind.
        self.served = True
        self._source = source
        self._observer = observer or Observer()
        self._rhythm = rhythm or Rhythm()
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._synced = asyncio.Event()
        self._version = ""
        #: The last resourceVersion of a list or watch, as a number.
        self._newest = 0
        self._why = "start"
        self._due = 0.0
        self._failures = 0
        self._contact = clock()
        self._error = "there was no response yet"

    @property
    def age(self) -> float:
        """Seconds since the server's last list, event or bookmark."""
        return self._clock() - self._contact

    @property
    def plural(self) -> str:
        """The kind, as in metrics."""
        return self.scope.resource.plural

    @property
    def objects(self) -> int:
        """Number of cached objects."""
        return len(self.store)

    @property
    def synced(self) -> bool:
        """True if the first list was read."""
        return self._synced.is_set()

    async def ready(self) -> Store:
        """Return the store once it holds the first list.

        Raises:
            KubeError: the first list is missing, or the cache is stale.
        """
        name = self.scope.resource.name
        if not self._synced.is_set():
            try:
                async with asyncio.timeout(self._rhythm.patience):
                    await self._synced.wait()
            except TimeoutError:
                raise KubeError(
                    f"the cache of {name} is not filled: {self._error}; the operator's account "
                    "must be allowed to list and watch this resource"
                ) from None
        if self.age > self._rhythm.stale:
            raise KubeError(
                f"the cache of {name} is {self.age:.0f} s old: {self._error}; nothing is "
                "reconciled until the API server responds"
            )
        return self.store

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                await self._turn()
            except KubeError as error:
                self._error = str(error)
                await self._recover(error)
            else:
                self._failures = 0

    async def _turn(self) -> None:
        if not self._version or self._clock() >= self._due:
            await self._relist(self._why if not self._version else "resync")
        await self._follow()

    async def _recover(self, error: KubeError) -> None:
        name = self.scope.resource.name
        if error.status == NOT_FOUND:
            self._contact = self._clock()
            self._vanish()
            await self._sleep(self._spread(self._rhythm.absent))
            return
        self._failures += 1
        if error.status == GONE:
            self._restart("expired")
            logger.info("the watch of %s starts again: %s", name, error)
            if self._failures == 1:
                return
        else:
            logger.warning("the watch of %s: %s", name, error)
        longest = self._rhythm.longest_pause
        pause = min(longest, self._rhythm.pause * 2.0 ** min(self._failures - 1, 30))
        await self._sleep(self._spread(pause))

    def _spread(self, seconds: float) -> float:
        return seconds * (1 + self._rhythm.jitter * (2 * self._chance() - 1))

    def _restart(self, why: str) -> None:
        self._version, self._why = "", why

    # --- own writes

    def take(self, thing: Object) -> None:
        """Add the response of an own write, as if the watch had reported it."""
        if self.store.put(thing):
            self._changed(thing)

    def hide(self, place: Place, uid: str) -> None:
        """Add an own deletion, which triggers another pass."""
        entry = self.store.find(place)
        if self.store.hide(place, uid) and entry is not None:
            self._observer.changed(place[0], entry.parent)

    def _changed(self, thing: Object) -> None:
        self._observer.changed(place_of(thing)[0], self.store.parent_of(thing))

    # --- the list

    async def _relist(self, why: str) -> None:
        number = self.store.start_list()
        listed: dict[Place, Entry] = {}
        version = more = ""
        while True:
            page = await self._source.page(self.scope, more)
            self._contact = self._clock()
            # All pages have the resourceVersion of the first one.
            version = version or page.version
            back = int(version) < self._newest
            for each in page.items:
                # Nearly all objects of a resync are stored already.
                kept = None if back else self.store.same(each)
                listed[each.place] = kept or self.store.entry(each.parsed())
            more = page.more
            if not more:
                break
        self._appear()
        changed: set[Place] = set()
        if back:
            # The server was restored from a backup: newer objects are lost, and a version that is
            # stored may have another content now.
            logger.warning("the API server has gone back in time: %s", self.scope.resource.name)
            changed = self.store.clear()
        changed |= self.store.replace(number, listed, int(version))
        self._version, self._newest = version, int(version)
        self._due = self._clock() + self._spread(self._rhythm.resync)
        self._observer.listed(why)
        if why == "resync" and changed:
            name = self.scope.resource.name
            logger.warning("the watch of %s missed changes of %d objects", name, len(changed))
        self._synced.set()
        for namespace, parent in sorted(changed):
            self._observer.changed(namespace, parent)

    def _appear(self) -> None:
        if not self.served:
            self.served = True
            logger.info("the API server now serves %s", self.scope.resource.name)
            self._observer.served(True)

    def _vanish(self) -> None:
        """Handle a kind that the server does not serve: it has no objects."""
        self._restart("appeared")
        changed = self.store.replace(self.store.start_list(), {}, 2**63)
        was, self.served = self.served, False
        if was:
            logger.info(
                "the API server does not serve %s; it is checked again", self.scope.resource
            )
            self._observer.served(False)
        self._synced.set()
        for namespace, parent in sorted(changed):
            self._observer.changed(namespace, parent)

    # --- the watch

    async def _follow(self) -> None:
        """Read one watch until the server ends it."""
        started = self._clock()
        left = max(1.0, self._due - started)
        seconds = int(max(1.0, min(left, self._spread(self._rhythm.watch))))
        events = self._source.watch(self.scope, self._version, seconds)
        async with contextlib.aclosing(events):
            while True:
                try:
                    async with asyncio.timeout(seconds + self._rhythm.silence):
                        event = await anext(events, None)
                except TimeoutError:
                    self._restart("silent")
                    logger.warning("the watch of %s is silent", self.scope.resource.name)
                    return
                if event is None:
                    break
                self._take(event)
        self._contact = self._clock()
        if self._contact - started < 1.0:
            # If the server ends watches at once, do not start the next one at once.
            await self._sleep(self._spread(self._rhythm.pause))

    def _take(self, event: Event) -> None:
        reported = event.object
        self._contact = self._clock()
        if event.type == "DELETED":
            if self.store.remove(reported):
                self._changed(reported.parsed())
        elif event.type != "BOOKMARK" and not self.store.knows(reported):
            self.take(reported.parsed())
        self._version = str(reported.version or self._version)
        self._newest = max(self._newest, int(self._version))
