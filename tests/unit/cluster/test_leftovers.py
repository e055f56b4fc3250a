"""What a cluster leaves is told apart from what others put on the machine."""

from pathlib import Path

from tests.cluster import imagestore, leftovers, prune

RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:CNI-1234 - [0:0]
:DOCKER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j DOCKER
-A CNI-1234 -d 10.203.0.0/16 -j ACCEPT
-A POSTROUTING -s 10.203.0.7/32 -j CNI-1234
COMMIT
"""


def test_only_our_chains_and_the_rules_that_lead_to_them_are_dropped() -> None:
    assert leftovers.without_our_rules(RULES).splitlines() == [
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        ":DOCKER - [0:0]",
        "-A PREROUTING -j DOCKER",
        "COMMIT",
    ]


def test_clean_rules_stay_as_they_are() -> None:
    clean = leftovers.without_our_rules(RULES)
    assert leftovers.without_our_rules(clean) == clean
    assert leftovers.our_rules(clean) == []


def test_mounts_are_undone_from_the_inside_out_and_only_below_the_state() -> None:
    mountinfo = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:5 / /state/kubelet rw - ext4 /dev/vda rw
31 30 0:6 / /state/kubelet/pods/a/volumes/b rw - tmpfs tmpfs rw
32 22 0:7 / /state-of-another/x rw - tmpfs tmpfs rw
33 22 0:8 / /state/with\\040space rw - tmpfs tmpfs rw
"""
    assert leftovers.mounts_below(mountinfo, Path("/state")) == [
        "/state/kubelet/pods/a/volumes/b",
        "/state/with space",
        "/state/kubelet",
    ]


def test_prune_deletes_what_no_set_up_uses() -> None:
    a, b = Path("/bin/a"), Path("/bin/b")
    assert prune.stale({a, b}, {a}) == [b]


def test_an_image_that_lost_its_name_is_dropped_and_a_named_one_stays() -> None:
    images = {"docker.io/r/a:dev": "sha256:2", "sha256:id1": "sha256:1", "sha256:id2": "sha256:2"}
    assert imagestore.unnamed(images) == ["sha256:id1"]
