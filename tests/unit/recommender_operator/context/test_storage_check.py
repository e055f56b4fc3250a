import pytest

from recommender_operator.api.conditions import Reason
from recommender_operator.context import storage_check
from recommender_operator.observed import Claim, JobKind
from tests.sources import SOURCE, source
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

GOOD = Claim(phase="Bound", access_modes=("ReadWriteOnce",))


def world(*, store: Claim | None = GOOD, raw: Claim | None = GOOD, **sections: object) -> World:
    return World(spec=spec(**sections), claims={"store": store, "raw": raw})


@pytest.mark.parametrize(
    "claim",
    [
        GOOD,
        Claim(phase="Pending", access_modes=("ReadWriteOnce",)),
        Claim(phase="Bound", access_modes=("ReadOnlyMany", "ReadWriteOnce")),
        Claim(phase="Bound", access_modes=("ReadWriteMany",), labelled=True),
    ],
)
def test_a_usable_claim_stops_nothing(claim: Claim) -> None:
    cluster = world(store=claim)
    cluster.settle()
    assert cluster.condition("StorageReady") == ("True", Reason.CLAIMS_USABLE)
    assert cluster.champion() is not None


BAD = [
    (None, Reason.CLAIM_MISSING, "does not exist: create it"),
    (Claim(phase="Bound", deleting=True), Reason.CLAIM_DELETING, "is being deleted"),
    (Claim(phase="Lost"), Reason.CLAIM_LOST, "has lost its volume"),
    (Claim(phase="Bound", block=True), Reason.CLAIM_IS_BLOCK, "volumeMode Filesystem"),
]


@pytest.mark.parametrize(("claim", "reason", "shown"), BAD)
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("store", "storage.persistentVolumeClaim.claimName"),
        ("raw", "data.source.persistentVolumeClaim.claimName"),
    ],
)
def test_an_unusable_claim_is_reported_before_any_job_starts_and_checked_again(
    name: str, field: str, claim: Claim | None, reason: Reason, shown: str
) -> None:
    cluster = world()
    cluster.claims[name] = claim
    cluster.settle_served()
    assert cluster.jobs == {}
    for kind in ("StorageReady", "Progressing"):
        assert cluster.condition(kind) == ("False", reason)
        assert f"{field} {name!r}: the PersistentVolumeClaim shop/{name}" in cluster.message(kind)
        assert shown in cluster.message(kind)
    assert [e.reason for e in cluster.events if e.type == "Warning"] == [reason]
    after = cluster.reconcile().requeue_after
    assert after is not None
    assert after <= storage_check.poll()
    cluster.claims[name] = GOOD
    cluster.settle()
    assert cluster.champion() is not None
    assert cluster.condition("StorageReady") == ("True", Reason.CLAIMS_USABLE)


def test_a_store_that_only_reads_is_refused_and_raw_data_may_be_read_only() -> None:
    read_only = Claim(phase="Bound", access_modes=("ReadOnlyMany",))
    assert world(raw=read_only).checked().problem is None
    problem = world(store=read_only).checked().problem
    assert problem is not None
    assert problem[0] is Reason.CLAIM_READ_ONLY


def test_a_missing_source_stops_only_what_reads_it() -> None:
    checked = world(raw=None).checked()
    assert [kind for kind in JobKind if checked.stops(kind)] == [JobKind.CHECK, JobKind.SNAPSHOT]
    checked = world(store=None).checked()
    assert all(checked.stops(kind) for kind in JobKind)


def test_an_earlier_data_version_needs_no_source() -> None:
    pinned = {
        "source": SOURCE,
        "version": "i3.u1.t0-0123456789abcdef",
    }
    assert world(raw=None, data=pinned).checked().problem is None


def test_losing_a_claim_while_a_version_serves_stops_no_requests() -> None:
    cluster = world()
    cluster.settle()
    cluster.claims.update(store=None, raw=None)
    cluster.edit(training={"seed": 2})
    started = len(cluster.jobs)
    cluster.settle_served()
    assert len(cluster.jobs) == started
    assert sum(cluster.route.values()) == 100
    assert cluster.condition("Available") == ("True", Reason.SERVING)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("lake/movies", Reason.INVALID_PATH), ("staging", Reason.INVALID_PATH), ("raw", None)],
)
def test_raw_data_in_the_claim_of_the_store_stay_out_of_the_operators_folders(
    path: str, reason: Reason | None
) -> None:
    problem = world(data={"source": source("store", path)}).checked().problem
    assert (problem and problem[0]) == reason


@pytest.mark.parametrize("path", ["a/../b", "a//b", "a/", "a/./b"])
def test_an_invalid_path_starts_no_job(path: str) -> None:
    problem = world(data={"source": source(path=path)}).checked().problem
    assert problem is not None
    assert "data.source.persistentVolumeClaim.path" in problem[1]


def test_a_model_whose_claim_is_gone_can_still_be_deleted() -> None:
    cluster = world(store=None, deletionPolicy="Delete")
    cluster.deleting = True
    cluster.reconcile()
    assert cluster.finished
    assert cluster.jobs == {}
    assert [e.reason for e in cluster.events] == [Reason.ARTIFACTS_LEFT_BEHIND]
