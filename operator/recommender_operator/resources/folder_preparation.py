"""The init container that creates the folders of a model, and marks them with their owner.

The kubelet creates a missing subPath as root, with the mode of the volume's root, and Jobs may be
unable to write to it. So an init container, as the Jobs' user, creates the folders in every Job
that may be the first on a claim. Only this container mounts the whole claim; it runs no code of a
tenant.
"""

from __future__ import annotations

from recommender_operator.resources import labels, security
from recommender_operator.resources.labels import Manifest
from recommender_operator.resources.volumes import STORE, TMP

PREPARE = "prepare"
#: File in each folder of a model with its last owner; a removal of an earlier model, which runs
#: late, removes nothing of a newer one (`recommender_training/artifact/removal.py`).
OWNER = ".owner"
#: Creates missing folders, and reports the remedy if a folder is not writable. Marks them if there
#: is an owner (the first argument), unless the mark is of a newer model. A removal holds the lock
#: of a mark and may remove it, so the lock counts only if the file is still there.
_SCRIPT = f"""\
mark() {{
  flock 9
  [ "$1" -ef /proc/self/fd/9 ] || return 1
  read -r marked < "$1" || marked=
  [ "${{marked%%/*}}" \\> "${{owner%%/*}}" ] || echo "$owner" > "$1"
}}
owner=$1
shift
for folder; do
  mkdir -p -- "$folder" && [ -w "$folder" ] || {{
    echo "StoreNotWritable: user and group {security.USER} cannot write to $folder in the claim" \\
      "of spec.storage. Label the claim {labels.STORAGE}=true, so that the kubelet gives" \\
      "its volume to the group, or make the volume writable for the group" >&2
    exit 2
  }}
  [ -n "$owner" ] || continue
  for attempt in 1 2 3; do
    mark "$folder/{OWNER}" 9>> "$folder/{OWNER}" && break
  done
done
"""


def prepare(container: Manifest, made: list[str], owner: str = "") -> Manifest:
    """Return the init container that creates folders, with the main container's image.

    With an owner it also marks them.
    """
    return {
        **{key: container[key] for key in ("image", "imagePullPolicy", "securityContext")},
        "name": PREPARE,
        "command": [
            "sh", "-c", _SCRIPT, PREPARE, owner, *(f"{STORE}/{folder}" for folder in made)
        ],
        "resources": container["resources"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "store", "mountPath": STORE}, TMP],
    }  # fmt: skip
