"""Arguments of the commands on artifacts."""

from __future__ import annotations

from pathlib import Path

from recommender_training.arguments import common
from recommender_training.arguments.common import Verbs


def add(verbs: Verbs) -> None:
    """Add the commands on artifacts that are there."""
    publish = common.verb(
        verbs, "publish", "verify a staged artifact and publish it by one rename"
    )
    publish.add_argument("--staged", type=Path, required=True)
    publish.add_argument("--digest", required=True, help="sha256:... from the report of train")
    publish.add_argument("--store", type=Path, required=True, help="<claim>/artifacts/<model>")
    common.reported(publish)
    remove = common.verb(verbs, "remove", "remove files or folders below a root")
    remove.add_argument("--root", type=Path, required=True)
    remove.add_argument("paths", nargs="+", metavar="PATH", help="relative to the root")
    common.reported(remove)
    verify = common.verb(verbs, "verify", "verify every file of an artifact")
    verify.add_argument("artifact", type=Path)
    verify.add_argument("--digest", help="sha256:... that the manifest has to have")
    common.reported(verify)
    export = common.verb(
        verbs, "export", "verify an artifact and copy its Triton model repository"
    )
    export.add_argument("artifact", type=Path)
    export.add_argument("--digest", help="sha256:... that the manifest has to have")
    export.add_argument("--output", type=Path, required=True, help="folder, not there yet")
    common.reported(export)

    page = common.verb(
        verbs, "report", "print where the report of an artifact is, or make it anew"
    )
    page.add_argument(
        "folder", type=Path, metavar="RUN_FOLDER", help="an artifact, or the --work of one run"
    )
    page.add_argument(
        "--output", type=Path, metavar="FILE", help="make the page anew here, outside the artifact"
    )
    common.reported(page)

    measure = common.verb(verbs, "measure", "time single requests to the models of an artifact")
    measure.add_argument("artifact", type=Path)
    measure.add_argument("--calls", type=common.positive, default=1000)
    measure.add_argument("--threads", type=common.positive, default=1)
    common.reported(measure)
