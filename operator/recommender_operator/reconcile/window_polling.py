"""Reduced passes that read only two counters of each pod, while a window fills.

The champion's window is checked every quarter of a minute, and is usually not full. Such a check
reads no API objects, unless something requires a full pass: a change of any object of the model,
a pod that does not answer or has restarted, or a deadline.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Generic

from recommender_operator.adapters.counters.sample_provider import SampleError, SampleProvider
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis import window_filling as filling
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.controller.schedule import K


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Watched:
    """A window and its pods; times by the clock, in seconds."""

    namespace: str
    filling: Filling
    provider: SampleProvider
    pods: Sequence[PodRef]
    began: float
    full_pass: float


class WindowPolling(Generic[K]):
    """The windows in progress, by model."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        read: Callable[[], None] = lambda: None,
    ) -> None:
        """`read` is called for each reading."""
        self._clock = clock
        self._read = read
        self._watched: dict[K, _Watched] = {}
        #: Models with a pass in progress, and no change since its start.
        self._unchanged: set[K] = set()

    def cause(self, key: K) -> None:
        """Require a full pass after a change."""
        self._watched.pop(key, None)
        self._unchanged.discard(key)

    def clear(self) -> None:
        """Forget all windows."""
        self._watched.clear()
        self._unchanged.clear()

    def start_pass(self, key: K) -> None:
        """Start a full pass."""
        self._watched.pop(key, None)
        self._unchanged.add(key)

    def watch(
        self,
        key: K,
        namespace: str,
        window: Filling,
        provider: SampleProvider,
        pods: Sequence[PodRef],
    ) -> None:
        """Watch a window after a full pass, if nothing else is in progress."""
        if key not in self._unchanged:
            return
        self._unchanged.discard(key)
        now = self._clock()
        self._watched[key] = _Watched(
            namespace=namespace,
            filling=window,
            provider=provider,
            pods=tuple(pods),
            began=now - window.seconds,
            full_pass=now + window.rest,
        )

    async def pause(self, key: K) -> float | None:
        """Return the seconds until the next reading; None if a full pass is needed."""
        watched = self._watched.get(key)
        if watched is None or self._clock() >= watched.full_pass:
            return None
        window = watched.filling
        try:
            sample = await watched.provider.sample(
                watched.namespace, window.version, watched.pods, only=filling.NAMES
            )
        except SampleError:
            return None
        counted = filling.counted(window.start, sample)
        if counted is None or counted >= window.needed or self._watched.get(key) is not watched:
            return None
        self._read()
        now = self._clock()
        pause = filling.pause(counted, window.needed, now - watched.began)
        return max(0.0, min(pause, watched.full_pass - now))
