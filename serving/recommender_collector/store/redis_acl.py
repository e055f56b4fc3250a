"""The users of the store: what each role may do, as lines of an ACL file of Redis 7 or Valkey.

A command that no role has is refused, so that whoever gets one password can neither read the
users of another model nor remove or reconfigure the store. See
https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from recommender_contract.online_store import trends


class Role(enum.StrEnum):
    """The roles that are not of one model; each is the name of its user."""

    COLLECTOR = "collector"
    WRITER = "writer"
    PROBE = "probe"


#: Of the durability of what is acknowledged, and of connections.
_CLIENT = ("ping", "info", "get", "config|get", "evalsha", "script|load", "time")
#: What both the collector and the writer, as the relay of Kafka, do to append to the log.
_APPEND = ("sadd", "smismember", "expireat", "xadd", "xlen")
_READ = ("hget", "hmget", "hgetall", "mget", "xrange")
COMMANDS: Mapping[Role, Sequence[str]] = {
    Role.COLLECTOR: (*_CLIENT, *_APPEND, *_READ, "evalsha_ro"),
    Role.WRITER: (
        *_CLIENT, *_APPEND, *_READ, "xread", "xrevrange", "xtrim", "zadd", "zrange", "zscore",
        "zremrangebyrank", "scard", "smembers", "sismember", "srem", "exists", "expire", "set",
        "unlink", "hset", "hsetnx", "hdel", "scan", "pttl", "memory|usage", "bgrewriteaof",
    ),
    #: Health and an exporter of metrics.
    Role.PROBE: (
        "ping", "info", "config|get", "client|list", "client|setname", "latency|latest",
        "slowlog|get", "slowlog|len",
    ),
}  # fmt: skip
#: Nobody can sign in as the default user. Redis reads its append-only file as this user, though,
#: and would skip each transaction that it may not run.
_DEFAULT = "user default reset off ~* &* +@all"
READER: Sequence[str] = ("zrange", "smembers")
#: `%R~` is a pattern of keys that are read, `%W~` of those that are written, and `(...)` has
#: commands of its own. `recommender` is the key that shows whether a store answers.
KEYS: Mapping[Role, Sequence[str]] = {
    Role.COLLECTOR: (
        "~{*}:events", "~{*}:ids:*", "%R~{*}:store:offset", "%R~{*}:kafka",
        "%R~{*}:experiments", "%R~{*}:experiment:*", "%R~{*}:outcomes", "%R~{*}:erasures",
        "%R~recommender",
        "(%W~{*}:user:* +unlink)",  # forgets users, and changes them in no other way
    ),
    Role.WRITER: ("~{*}:*", "%R~recommender"),
    Role.PROBE: (),
}  # fmt: skip


def reader(model: str) -> str:
    """Return the user that reads the users and the trends of a model, and nothing else."""
    return f"reader-{model}"


def acl(passwords: Mapping[str, Sequence[str]], models: Iterable[str]) -> list[str]:
    """Return the lines of the ACL file, one for each user with passwords.

    A user has several passwords while one takes the place of another. Nobody is the default user.
    """
    rights = {role.value: (KEYS[role], COMMANDS[role]) for role in Role}
    for model in models:
        own = (f"%R~{{{model}}}:user:*", f"%R~{trends(model)}", f"%R~{trends(model)}:*")
        rights[reader(model)] = (own, READER)
    return [
        _DEFAULT,
        *(
            _line(name, passwords[name], keys, commands)
            for name, (keys, commands) in rights.items()
            if name in passwords
        ),
    ]


def _line(
    name: str, passwords: Sequence[str], keys: Sequence[str], commands: Sequence[str]
) -> str:
    hashes = (f"#{hashlib.sha256(each.encode()).hexdigest()}" for each in passwords)
    allowed = (f"+{each}" for each in commands)
    return " ".join(("user", name, "reset", "on", *hashes, *keys, *allowed))
