"""The reports of the Jobs in the simulated cluster."""

from __future__ import annotations

from recommender_operator.observed import JobKind, JobState
from tests.unit.recommender_operator.simulation.cluster import START, Cluster


def report(cluster: Cluster, job: JobState) -> dict[str, object]:
    head = {"schema": "recommender.dev/report/v1", "kind": str(job.kind), "ok": True}
    twin = cluster.seed_of(job.version) in cluster.twins
    digest = "sha256:" + ("0" * 8 if twin else job.version[-8:]) * 8
    match job.kind:
        case JobKind.CHECK:
            return head | {"dataVersion": "7-abc", "rows": 1000, "quarantinedRows": 3}
        case JobKind.TRAIN:
            metrics = cluster.truth_of(job.version)
            cluster.trained_on[job.version] = cluster.mix
            path = f"staging/movies/{job.version}-{job.attempt}"
            return head | {
                "dataVersion": "7-abc",
                "rows": 1000,
                "metrics": metrics,
                "stagedPath": path,
                "digest": digest,
                "seed": cluster.seed_of(job.version),
                "codeVersion": "0.1.0",
            }
        case JobKind.RECALIBRATE:
            made = cluster.versions[job.version].spec.recalibration
            assert made is not None, f"{job.version} is to be trained"
            if made.of in cluster.trained_on:
                cluster.trained_on[job.version] = cluster.trained_on[made.of]
            path = f"staging/movies/{job.version}-{job.attempt}"
            return head | {"stagedPath": path, "digest": digest}
        case JobKind.PUBLISH:
            return head | {"path": f"artifacts/movies/{digest[7:23]}", "digest": digest}
        case JobKind.REMOVE:
            return head | {"removed": []}
        case JobKind.SNAPSHOT:
            watched = {} if cluster.segments is None else {"segments": dict(cluster.segments)}
            return (
                head
                | watched
                | {
                    "dataVersion": f"i{job.attempt}.u1.t0-{job.attempt:016x}",
                    "takenAt": cluster.now.isoformat(),
                    "rows": 1000,
                    "newRows": 50,
                    "quarantinedRows": 2,
                    "snapshots": 3,
                    "oldest": START.isoformat(),
                }
            )
