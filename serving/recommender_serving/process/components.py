"""Build the parts of the server from its settings."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable
from functools import partial

from prometheus_client import REGISTRY

from recommender_contract.events import BATCH_CONTENT_TYPE as CONTENT_TYPE
from recommender_contract.events import Source
from recommender_contract.online_store import LIMITS, Set, hidden_by_default
from recommender_runtime.key_file import KeyFile
from recommender_serving.artifact.loader import Artifact
from recommender_serving.artifact.vocabulary import Vocabulary
from recommender_serving.domain.types import FallReason, Waited
from recommender_serving.experiments.forwarder import Forwarder
from recommender_serving.experiments.peers import Peers
from recommender_serving.experiments.traffic_mirror import MOST, TrafficMirror
from recommender_serving.impressions import collector_client
from recommender_serving.impressions.impression_events import Origin
from recommender_serving.impressions.reporter import Impressions
from recommender_serving.monitoring.call_record import Call, noting
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.monitoring.session_memory import SessionMemory
from recommender_serving.monitoring.tracing import Tracing
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.process.keys import signer
from recommender_serving.process.settings import ServeSettings
from recommender_serving.ranking.answer_cache import Cache
from recommender_serving.ranking.circuit_breaker import CircuitBreaker
from recommender_serving.ranking.exploration import Explorer
from recommender_serving.ranking.fallback_chain import Chain, ModelStage, Ranker
from recommender_serving.ranking.holdout import HoldoutRecommender
from recommender_serving.ranking.instrumented_calls import (
    TimedRanker,
    TimedUsers,
    TracedRanker,
    TracedUsers,
)
from recommender_serving.ranking.list_composition import Composer
from recommender_serving.ranking.mirroring import MirroredRecommender
from recommender_serving.ranking.recommender import Recommender
from recommender_serving.ranking.trending import Trending
from recommender_serving.ranking.user_history import History, Users
from recommender_serving.store.trend_reader import TrendReader
from recommender_serving.store.user_reader import UserReader

logger = logging.getLogger(__name__)
OnFall = Callable[[Source, FallReason], None]


def build_tracing(settings: ServeSettings) -> Tracing | None:
    """Build what exports traces, if there is a receiver.

    Raises:
        RuntimeError: the packages for it are not installed.
    """
    if settings.trace_endpoint is None:
        return None
    try:
        # Here, because most processes need none of it.
        from recommender_serving.process import spans
    except ImportError as error:
        raise RuntimeError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is missing: install "
            "recommender-operator[tracing], or unset the variable"
        ) from error
    exporter = spans.exporter(settings.trace_endpoint)
    return spans.OpenTelemetry(exporter, settings.trace_ratio, settings.model, settings.version)


def build_recommender(
    settings: ServeSettings,
    artifact: Artifact,
    rankers: tuple[Ranker, Ranker],
    tracing: Tracing | None = None,
    trending: Trending | None = None,
) -> Recommender:
    """Build everything that answers a request, without the protocols."""
    bins = Bins(artifact)
    metrics = Metrics(
        REGISTRY,
        settings.model,
        settings.version,
        bins.reference(),
        bins.design_effects(),
        bins.missing_design_effects(),
    )
    stages = _stages(settings, metrics, rankers, tracing)
    composer = Composer(artifact.vocabulary.items, settings.list_limits, metrics.unmet)
    if composer.absent:
        logger.warning(
            "limits of lists are ignored for features that this version does not have: %s",
            ", ".join(composer.absent),
        )
    uncounted = Composer(artifact.vocabulary.items, settings.list_limits, _uncounted)
    made = partial(_chain, settings, artifact, trending)
    chain = made(stages, composer, _fell(metrics.fell, tracing))
    of_copies = made(stages, uncounted, _fell(metrics.shadow.fell, tracing))
    fallbacks = made(_after_the_model(settings, stages), composer, _fell(metrics.fell, tracing))
    history = build_history(settings, metrics, artifact.vocabulary, tracing)
    return Recommender(
        chain,
        bins,
        SessionMemory(time.monotonic),
        metrics,
        time.perf_counter,
        history,
        build_cache(settings, chain, metrics),
        _shadow(settings, of_copies, metrics, history),
        HoldoutRecommender(fallbacks, metrics, history),
    )


def _after_the_model(
    settings: ServeSettings, stages: tuple[ModelStage, ...]
) -> tuple[ModelStage, ...]:
    """Return the models that may answer users of the holdout; popularity follows in any case."""
    if settings.holdout is None or settings.holdout.answers is Source.POPULARITY:
        return ()
    return tuple(stage for stage in stages if stage.source is Source.BASELINE)


def _shadow(
    settings: ServeSettings, chain: Chain, metrics: Metrics, history: History | None
) -> MirroredRecommender:
    """Build what answers copies, with a cache of its own if users have one."""
    cache = None
    if settings.cache is not None:
        cache = Cache(chain, settings.cache, _uncounted, _uncounted, time.monotonic)
    patience = settings.timeout + settings.baseline_timeout
    return MirroredRecommender(chain, metrics, time.perf_counter, history, cache, patience)


def _uncounted(*_: object) -> None:
    """Count nothing: users have not seen it."""


def _stages(
    settings: ServeSettings,
    metrics: Metrics,
    rankers: tuple[Ranker, Ranker],
    tracing: Tracing | None,
) -> tuple[ModelStage, ...]:
    waited_for = noting(metrics.waited, Call.waited)
    return tuple(
        ModelStage(
            source,
            TimedRanker(_traced(ranker, waited, tracing), partial(waited_for, waited)),
            CircuitBreaker(settings.max_in_flight),
            timeout,
        )
        for source, waited, ranker, timeout in zip(
            (Source.MODEL, Source.BASELINE),
            (Waited.MODEL, Waited.BASELINE),
            rankers,
            (settings.timeout, settings.baseline_timeout),
            strict=True,
        )
    )


def _chain(
    settings: ServeSettings,
    artifact: Artifact,
    trending: Trending | None,
    stages: tuple[ModelStage, ...],
    composer: Composer,
    fell: OnFall,
) -> Chain:
    return Chain(
        stages,
        artifact.vocabulary,
        artifact.popularity,
        fell,
        artifact.item_texts,
        composer,
        trending,
        settings.explores.pool if settings.explores else 0,
    )


def build_cache(settings: ServeSettings, chain: Chain, metrics: Metrics) -> Cache | None:
    """Build the cache of answers, if there is one."""
    if settings.cache is None:
        return None
    return Cache(chain, settings.cache, metrics.found, metrics.cached, time.monotonic)


def build_explorer(settings: ServeSettings, metrics: Metrics) -> Explorer | None:
    """Build what draws the last items of answers, if some explore."""
    if settings.explores is None:
        return None
    return Explorer(settings.explores.share, random.SystemRandom(), metrics.explored)


def _fell(count: OnFall, tracing: Tracing | None) -> OnFall:
    """Return a function that counts a fallback, and notes it in its call and its trace."""
    noted = noting(count, Call.fell)
    return noted if tracing is None else _both(noted, tracing.fell)


def _both(first: OnFall, second: OnFall) -> OnFall:
    def both(source: Source, reason: FallReason) -> None:
        first(source, reason)
        second(source, reason)

    return both


def _traced(ranker: Ranker, stage: Waited, tracing: Tracing | None) -> Ranker:
    return ranker if tracing is None else TracedRanker(ranker, tracing, stage)


def build_history(
    settings: ServeSettings, metrics: Metrics, vocabulary: Vocabulary, tracing: Tracing | None
) -> History | None:
    """Build the look into the collector's store, if there is one."""
    store = settings.store
    if store is None:
        return None
    wait, hide = vocabulary.repeat_after, settings.hide
    if hide is None:
        hide = hidden_by_default(comes_again=wait is not None)
    # What is withheld for a time may be older than what the models read.
    length = LIMITS[Set.RECENT] if wait else vocabulary.history_length
    reader = UserReader(store.url, settings.model, store.options, hide)
    users: Users = reader if tracing is None else TracedUsers(reader, tracing)
    timed = TimedUsers(users, partial(noting(metrics.waited, Call.waited), Waited.STORE))
    trusting = settings.callers.may_see_history
    return History(timed, metrics.looked_up, length, trusting=trusting)


def build_trending(settings: ServeSettings, artifact: Artifact) -> Trending | None:
    """Build the trends of the collector's store, if they are wanted."""
    store = settings.store
    if store is None or not settings.trending:
        return None
    return Trending(
        TrendReader(store.url, settings.model, store.options),
        artifact.vocabulary.items.rows,
        artifact.popularity.segments,
        time.monotonic,
        artifact.item_texts,
    )


def build_forwarder(
    settings: ServeSettings, metrics: Metrics, tracing: Tracing | None
) -> Forwarder:
    """Build what asks the other versions of an experiment."""
    return Forwarder(
        Peers(settings.peers, settings.max_in_flight),
        metrics,
        (settings.timeout, settings.baseline_timeout),
        tracing,
    )


def build_interleaving_client(
    settings: ServeSettings, metrics: Metrics, tracing: Tracing | None
) -> Forwarder | None:
    """Build what asks a candidate for its lists; None where nobody could measure them.

    Of two lists within the limits a mixed one may not be. A fallback is of no use, so the
    candidate has the time of a model alone.
    """
    if settings.collector is None or settings.impressions < 1 or settings.list_limits:
        return None
    return Forwarder(
        Peers(settings.peers, settings.max_in_flight),
        metrics,
        (settings.timeout, 0.0),
        tracing,
        counts=metrics.interleaving,
    )


def build_traffic_mirror(settings: ServeSettings, metrics: Metrics) -> TrafficMirror:
    """Build what sends copies to a candidate."""
    peers = Peers(settings.peers, MOST)
    return TrafficMirror(peers, metrics.shadow.sent, (settings.timeout, settings.baseline_timeout))


def build_impressions(
    settings: ServeSettings, artifact: Artifact, metrics: Metrics
) -> Impressions | None:
    """Build the reports of impressions to the collector, if they are wanted."""
    if settings.collector is None or not settings.impressions:
        return None
    # Numbers of a process start at 0, so it needs a source of its own.
    source = f"{settings.version}/{uuid.uuid4().hex}"
    origin = Origin(
        settings.model, settings.version, source, settings.predictions, settings.label_segments,
        signer(settings.model, settings.collector_keys),
    )  # fmt: skip
    folder = settings.collector_keys
    keys = tuple if folder is None else KeyFile(folder / "key").keys
    return Impressions(
        partial(collector_client.post, settings.collector, CONTENT_TYPE, keys=keys),
        origin,
        settings.impressions,
        artifact.vocabulary.features,
        metrics.reported,
    )
