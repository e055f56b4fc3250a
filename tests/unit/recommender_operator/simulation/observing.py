"""The operator's observation of the simulated cluster."""

from __future__ import annotations

from recommender_contract.metrics import CREATED
from recommender_operator.observed import ModelObject, Observed, Sample, ServiceState, TrafficState
from recommender_operator.resources import baseline_deployment_names
from tests.unit.recommender_operator.simulation.cluster import Cluster
from tests.unit.recommender_operator.simulation.counters import USUAL, copies, counters, features


def observe(cluster: Cluster) -> Observed:
    model = ModelObject(
        name="movies",
        namespace="shop",
        uid="u",
        generation=cluster.generation,
        spec=cluster.spec,
        status=cluster.status,
        annotations=dict(cluster.annotations),
        deleting=cluster.deleting,
        deleting_since=cluster.deleting_since,
    )
    return Observed(
        model=model,
        versions=tuple(cluster.versions.values()),
        jobs=tuple(cluster.jobs.values()),
        services={
            name: ServiceState(
                version=name,
                ready=s.ready,
                ready_pods=s.pods,
                answers=s.pods > 0 or s.falls_back,
                uid=s.uid,
                restarts=s.restarts,
                restart_reason="container main: OOMKilled" if s.restarts else "",
                disrupted=not s.ready and s.disrupted,
                unscheduled=s.unscheduled,
                outdated=s.outdated,
            )
            for name, s in cluster.services.items()
        },
        traffic=TrafficState(
            weights=dict(cluster.route),
            accepted=cluster.accepted,
            host=cluster.route_host,
            created_at=cluster.route_since,
            outdated=cluster.route_outdated,
            routing=cluster.routing,
        ),
        rivals=cluster.rivals,
        claims=dict(cluster.claims),
        samples=samples(cluster),
        baselines=dict(cluster.baselines),
        platform=cluster.platform,
        scaling=cluster.scaling,
        experiment=cluster.users.reading(cluster.versions.values(), cluster.now),
        outcomes=cluster.outcomes,
        erasures=cluster.erasures,
        running_pods=cluster.running_pods,
        retrainings_full=cluster.retrainings_full,
    )


def _other(cluster: Cluster, name: str) -> Sample:
    """Return the counters of the second pod of a version; empty ones if it does not answer."""
    if name not in cluster.others:
        return {}
    served_nobody = counters(name, 0) | copies(name, 0) | {CREATED: 0.0}
    return {f"{name}-other": served_nobody if cluster.others[name] else {}}


def samples(cluster: Cluster) -> dict[str, Sample]:
    """Return the counters of the versions that serve or are about to."""
    requested = {name for name, weight in cluster.route.items() if weight > 0}
    requested |= {cluster.status.champion or "", *cluster.unfinished()} - cluster.mute
    requested |= set(filter(baseline_deployment_names.is_fresh, cluster.services))
    return {
        name: {
            **_other(cluster, name),
            f"{name}-pod": counters(name, s.served, s.failed)
            | copies(name, s.copied, s.copies_failed)
            | {CREATED: float(s.restarts)}
            | features(
                name,
                s.sessions,
                cluster.trained_on.get(baseline_deployment_names.version_of(name), USUAL),
            ),
        }
        for name, s in cluster.services.items()
        if (s.ready or s.falls_back) and name in requested - cluster.mute
    }
