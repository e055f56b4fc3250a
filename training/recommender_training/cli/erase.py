"""`erase`: erase users from a lake."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from recommender_contract import ids
from recommender_contract.erasures import digest
from recommender_contract.ids import IdKind
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common import clock
from recommender_training.common.errors import InputError
from recommender_training.data import compaction, erasures, lake
from recommender_training.ingestion import erase, erasure_list, id_table

KEY = "RECOMMENDER_USER_KEY"
_DESCRIPTION = """\
Erase users from all tables of a lake, and keep their earlier rows out of it. The history of the
tables that had rows of them ends: older data versions can no longer be read."""
_EXAMPLES = f"""examples:
  recommender-training erase --lake lake/shop --user ada --dry-run
  recommender-training erase --lake lake/shop --user ada --artifacts artifacts/shop
  recommender-training erase --lake lake/shop --user 4711 --user 4712
  recommender-training erase --lake lake/shop --users-file erased.txt
  recommender-training erase --lake lake/shop --source events/shop
  {KEY}=... recommender-training erase --lake lake/shop --user ada --hash-users

A check applies the list that the collector's writer keeps beside its files by itself; this command
is for other sources, and for lakes that are no longer checked. An erasure that was killed goes on
with the next erase, check or snapshot."""


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs, "erase", "erase users from a lake, and keep their earlier rows out of it"
    )
    command.description = _DESCRIPTION
    command.epilog = _EXAMPLES
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    options.lake(command)
    command.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="ID",
        help="id of a user as in the raw data; may be repeated",
    )
    command.add_argument(
        "--users-file", type=Path, metavar="FILE", help="a text file with an id on each line"
    )
    command.add_argument(
        "--source",
        type=Path,
        help="folder of the raw files: erase the users of its list (_erasures), without a check",
    )
    command.add_argument(
        "--hash-users",
        action="store_true",
        help=f"hash the ids as the collector does with hashUsers; the key is in ${KEY}",
    )
    command.add_argument(
        "--artifacts",
        type=Path,
        help="<claim>/artifacts/<model>, read only: count those that were trained on the users",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="count what would be erased; change nothing"
    )
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Erase users from a lake, or count their rows.

    Raises InputError: DataMissing, InvalidUser, ArtifactInvalid, ErasuresDamaged,
    SnapshotsDamaged, UnreadableData.
    """
    path: Path = arguments.lake
    if not path.is_dir():
        raise InputError("DataMissing", f"--lake: {path} is not a folder; give that of the tables")
    if not (arguments.user or arguments.users_file or arguments.source):
        raise InputError("InvalidUser", "nobody to erase: give --user, --users-file or --source")
    # Before anything is erased: an artifact that cannot be read is an error.
    artifacts = _artifacts(arguments)
    with lake.locked(path):
        users = _users(arguments)
        if arguments.dry_run:
            found = erase.find_users(path, erasures.read_erasures(path).newer(users))
            record = erase.as_if_erased(path, erasures.read_erasures(path), found)
            return _message(found, "would be erased", _trained(artifacts, record, found))
        done = erase.erase(path, users, name=True)
    trained = _trained(artifacts, erasures.read_erasures(path), done.found)
    message, fields = _message(done.found, "erased", trained)
    fields |= {"filesRemoved": done.files_removed, "snapshotsEnded": len(done.ended)}
    if done.data_version is not None:
        fields["dataVersion"] = done.data_version
        message += f"; the data version without them is {done.data_version}"
    return message, fields


def _message(found: erase.Found, verb: str, trained: list[str]) -> Outcome:
    rows = ", ".join(f"{count} rows of {name}" for name, count in sorted(found.rows.items()))
    message = f"{found.users} users {verb}: {rows}" if rows else "the lake has no row of them"
    fields: dict[str, object] = {"users": found.users, "rows": dict(found.rows)}
    if trained:
        message += (
            f"; {len(trained)} artifacts were trained on rows that ended, such as {trained[0]}: "
            "their weights stay as they are, so retrain the model, and remove them"
        )
        fields["artifacts"] = len(trained)
    return message, fields


def _artifacts(arguments: argparse.Namespace) -> Mapping[str, str]:
    """Return the data versions of the artifacts, by name."""
    if arguments.artifacts is None:
        return {}
    return compaction.versions_of_artifacts(arguments.artifacts)


def _trained(
    artifacts: Mapping[str, str], record: erasures.Record, found: erase.Found
) -> list[str]:
    """Return the artifacts whose data version the record refuses."""
    if not found.rows:
        return []
    return sorted(name for name, version in artifacts.items() if record.refused(version))


def _users(arguments: argparse.Namespace) -> dict[str, int]:
    """Return the users to erase, by digest, with the time of their erasure."""
    given: list[str] = list(arguments.user)
    if arguments.users_file is not None:
        try:
            given += arguments.users_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "InvalidUser", f"--users-file: {arguments.users_file} cannot be read ({error})"
            ) from error
    kind = id_table.kind_of(arguments.lake, "user")
    if kind is None:
        raise InputError(
            "DataMissing", f"--lake: {arguments.lake} has no table of users; run `check` first"
        )
    listed = {} if arguments.source is None else erasure_list.read_erasure_list(arguments.source)
    key = _key(kind) if arguments.hash_users else None
    now = clock.seconds()
    return listed | {digest(_number(text, kind, key)): now for text in given}


def _key(kind: IdKind) -> bytes:
    key = os.environ.get(KEY, "").encode()
    if kind is not IdKind.TEXT:
        raise InputError("InvalidUser", "--hash-users: the ids of this lake are whole numbers")
    if len(key) < 16:
        raise InputError(
            "InvalidUser",
            f"--hash-users: ${KEY} has {len(key)} bytes; give the key of collector.userKey",
        )
    return key


def _number(text: str, kind: IdKind, key: bytes | None) -> int:
    """Return the id of the tables of a user."""
    if kind is IdKind.INTEGER:
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise InputError(
                "InvalidUser",
                f"user: {text[:100]!r} is not a whole number of at most 18 digits, as the ids of "
                "this lake are: give the id as in the raw data",
            )
        return int(text)
    if not 1 <= len(text.encode(errors="replace")) <= ids.MAX_BYTES:
        raise InputError(
            "InvalidUser",
            f"user: {text[:40]!r} has {len(text.encode(errors='replace'))} bytes; an id has 1 to "
            f"{ids.MAX_BYTES}",
        )
    if key is not None:
        text = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]
    return ids.hashed(text)
