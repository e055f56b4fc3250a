"""Settings of the transformer, from flags and the environment that the operator sets."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import pydantic
from pydantic import Field, Json, StringConstraints

from recommender_contract import environment as names
from recommender_runtime.redis_access import Access, parse_access
from recommender_runtime.settings import (
    LogFormat,
    LogLevel,
    Model,
    SettingsError,
    Switch,
    Variable,
)
from recommender_serving.domain.callers import UNKNOWN, Callers
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.experiments.peers import Addresses
from recommender_serving.process import environment
from recommender_serving.process.environment import Share
from recommender_serving.ranking.exploration import Exploration
from recommender_serving.ranking.list_composition import UNLIMITED, ListLimits

EXAMPLES = """\
examples:
  recommender-serving serve --artifact /artifact --predictor-host localhost:9000 \\
      --http-port 8080 --grpc-port 8081
  recommender-serving verify /artifact --digest sha256:4f0c...

environment of serve (a flag wins):
  RECOMMENDER_MODEL       name of the RecommenderModel, a label of every metric
  RECOMMENDER_VERSION     name of the version, a label of every metric and part of every answer
  RECOMMENDER_TIMEOUT_MS  timeout of the model; after it the baseline answers (default 200)
  RECOMMENDER_STORE_URL   store of the collector, redis://HOST:PORT/DB or rediss://...
                          (default: none), with _USER, _PASSWORD_FILE and _CA:
                          see docs/online-store.md
  RECOMMENDER_ANSWER_CACHE    seconds, entries and MiB of the cache of answers, such as
                              5,10000,64 (default: none)
  RECOMMENDER_HIDE        what answers leave out, of Interacted, Bought, Disliked and Seen, with
                          commas (default: all but Seen, or Disliked alone if items of the
                          version may come again; empty: nothing)
  RECOMMENDER_LIST_LIMITS     serving.diversity and serving.exposure of the resource, as JSON
                              (default: none)
  RECOMMENDER_LOG_LEVEL   DEBUG (a line for each request), INFO (default), WARNING or ERROR
  RECOMMENDER_LOG_FORMAT  json (default) or text
  RECOMMENDER_LOG_USER_KEY_FILE  file with the key of the hashes of user ids in the log (default:
                          a random one)
  RECOMMENDER_TRENDING    whether popularity lists follow the store: true, false (default: false)
  RECOMMENDER_COLLECTOR_URL   collector that gets impressions, http://HOST:PORT (default: none)
  RECOMMENDER_COLLECTOR_KEYS  folder of the files `key`, shown to it, and `signing`, of request ids
  RECOMMENDER_IMPRESSIONS     share of the answers that it gets, 0 to 1 (default: 0)
  RECOMMENDER_PREDICTIONS     whether they have probabilities: true, false (default: false)
  RECOMMENDER_LABEL_SEGMENTS  up to three features, with commas, by whose values the collector
                          compares predictions with labels (default: none)
  RECOMMENDER_EXPLORATION     events.exploration of the resource, as JSON; only answers that are
                          reported explore (default: none)
  RECOMMENDER_HOLDOUT     users whom the model does not answer, as JSON; nobody is, unless all
                          answers are reported (default: none)
  RECOMMENDER_PEERS       addresses of the other versions of an experiment, for REST and gRPC
                          (default: {version}-transformer:80,{version}-transformer:8081)
  OTEL_EXPORTER_OTLP_ENDPOINT  receiver of traces (OTLP over HTTP), a base URL (default: none)
  OTEL_TRACES_SAMPLER_ARG share of requests with a trace, unless their client decides (default .01)

exit codes: 0 success; 1 the artifact is damaged or cannot be served; 2 invalid command line"""

DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


MAX_TIMEOUT_MS = 60_000
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_SHARE, _SWITCH = "give a share from 0 to 1", "give true or false"


class ServeSettings(Model):
    """Settings of `serve`; times are in seconds unless they are called otherwise."""

    artifact: Path
    predictor: str = "localhost:9000"  # host:port of Triton's gRPC endpoint
    http_port: int = 8080
    grpc_port: int = 8081
    model: Annotated[Name, Variable(names.MODEL, "give the name of the model", "--model")]
    version: Annotated[Name, Variable(names.VERSION, "give the name of the version", "--version")]
    timeout_ms: Annotated[
        int,
        Field(ge=1, le=MAX_TIMEOUT_MS),
        Variable(
            names.TIMEOUT_MS,
            f"give whole milliseconds from 1 to {MAX_TIMEOUT_MS}",
            "--timeout-ms",
            may_be_empty=True,
        ),
    ] = 200  # of the model
    baseline_timeout_ms: int | None = None
    digest: str | None = None  # of the artifact, verified before it is loaded
    max_in_flight: int = 128  # calls to one Triton model at a time
    drain: float = 5.0  # from the signal until the ports close
    grace: float = 20.0  # for requests that are still in flight then
    model_wait: float | None = None  # until it answers without Triton; None waits for it
    store: Access | None = None  # of the users' recent interactions; None reads none
    # Items that the store knows and answers leave out; None: those of `hidden_by_default`.
    hide: environment.Hide = None
    list_limits: Annotated[Json[ListLimits], Variable(names.LIST_LIMITS, is_json=True)] = UNLIMITED
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "json"
    # Key of the users' names in the log; None: a random one.
    user_key_file: Annotated[Path | None, Variable(names.LOG_USER_KEY_FILE)] = None
    collector: environment.Collector = None  # its base URL; None gets no impressions
    collector_keys: Annotated[Path | None, Variable(names.COLLECTOR_KEYS)] = None
    # Share of the answers that the collector gets.
    impressions: Annotated[Share, Variable(names.IMPRESSIONS, _SHARE, may_be_empty=True)] = 0.0
    # Impressions have the probabilities of their items.
    predictions: Annotated[Switch, Variable(names.PREDICTIONS, _SWITCH, may_be_empty=True)] = False
    label_segments: environment.Segments = ()  # features that divide these predictions
    # Of answers that are reported; None: no answer.
    exploration: Annotated[Json[Exploration] | None, Variable(names.EXPLORATION, is_json=True)] = (
        None
    )
    # Users whom the model does not answer; None: nobody.
    holdout: Annotated[Json[Holdout] | None, Variable(names.HOLDOUT, is_json=True)] = None
    trace_endpoint: environment.TraceReceiver = None  # base URL; None exports no traces
    # Of requests without a trace of their client.
    trace_ratio: Annotated[Share, Variable(names.TRACE_RATIO, _SHARE)] = 0.01
    cache: environment.Cache = None  # of answers; None keeps none
    peers: environment.Peers = Addresses()  # of the other versions of the model
    # Mix the store's trends into the popularity lists.
    trending: Annotated[Switch, Variable(names.TRENDING, _SWITCH, may_be_empty=True)] = False
    # Who may learn what users did.
    callers: Annotated[Json[Callers], Variable(names.CALLERS, may_be_empty=True, is_json=True)] = (
        UNKNOWN
    )

    @pydantic.model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.http_port == self.grpc_port:
            raise SettingsError(
                f"--http-port and --grpc-port are both {self.http_port}: choose different ports"
            )
        return self

    @property
    def timeout(self) -> float:
        """Timeout of the model."""
        return self.timeout_ms / 1000

    @property
    def baseline_timeout(self) -> float:
        """Timeout of the baseline: a fallback must not double the user's wait."""
        return (self.baseline_timeout_ms or min(100.0, self.timeout_ms / 2)) / 1000

    @property
    def explores(self) -> Exploration | None:
        """How answers explore; none does if nobody gets their impressions."""
        return self.exploration if self.collector and self.impressions else None

    @property
    def holds(self) -> Holdout | None:
        """Who is kept from the model; nobody if the effect on them could not be measured."""
        return self.holdout if self.collector and self.impressions == 1 else None


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """Settings of `verify`: the folder and its expected digest."""

    artifact: Path
    digest: str


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: give a number from 1 to 65535")
    return port


def _digest(text: str) -> str:
    if not DIGEST.match(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a digest: give 'sha256:' and 64 lower-case hexadecimal digits"
        )
    return text


def _endpoint(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdigit() and 1 <= int(port) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not an endpoint: give HOST:PORT")
    return text


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is out of range: give 0 to 3600 seconds")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 65536:
        raise argparse.ArgumentTypeError(f"{text} is out of range: give 1 to 65536")
    return count


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `recommender-serving`."""
    parser = argparse.ArgumentParser(
        prog="recommender-serving",
        description="Serves recommendation requests in front of the Triton of one version.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve one version over REST and gRPC",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_serve_options(serve)
    verify = commands.add_parser(
        "verify",
        help="check every file of an artifact against its manifest and the digest",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("artifact", type=Path, help="folder of the artifact")
    verify.add_argument("--digest", type=_digest, required=True, help="sha256:<64 hex digits>")
    return parser


def _add_serve_options(serve: argparse.ArgumentParser) -> None:
    add = serve.add_argument
    add("--artifact", type=Path, required=True, help="folder of the artifact, read-only")
    add("--digest", type=_digest, help="verify the artifact before loading it (default: do not)")
    # KServe's spelling of its arguments, which it appends if they are missing, works too.
    add(
        "--predictor-host",
        "--predictor_host",
        dest="predictor",
        metavar="HOST:PORT",
        type=_endpoint,
        help="Triton's gRPC endpoint, HOST:PORT (default localhost:9000)",
    )
    add(
        "--http-port",
        "--http_port",
        type=_port,
        help="port of REST and /metrics (default 8080)",
    )
    add(
        "--model-name",
        "--model_name",
        choices=["recommender"],
        default="recommender",
        help="name of the model in the protocols (always recommender)",
    )
    add(
        "--model-wait-seconds",
        dest="model_wait",
        metavar="SECONDS",
        type=_seconds,
        help="become ready after this time without Triton, and answer from the fallbacks "
        "(default: wait for Triton)",
    )
    add("--grpc-port", type=_port, help="port of gRPC (default 8081)")
    add("--model", help="name of the RecommenderModel")
    add("--version", help="name of the version")
    add("--timeout-ms", type=int, help="timeout of the model")
    add(
        "--baseline-timeout-ms",
        type=_count,
        help="timeout of the baseline (default: half of the model's, at most 100)",
    )
    add(
        "--max-in-flight",
        type=_count,
        help="maximum number of concurrent calls per Triton model (default 128)",
    )
    add(
        "--drain-seconds",
        dest="drain",
        metavar="SECONDS",
        type=_seconds,
        help="time after SIGTERM to keep serving while unready (default 5)",
    )
    add(
        "--grace-seconds",
        dest="grace",
        metavar="SECONDS",
        type=_seconds,
        help="time to wait for requests in flight after that (default 20)",
    )


def parse(argv: list[str], environ: Mapping[str, str]) -> ServeSettings | VerifySettings:
    """Read the command line and the environment.

    Raises:
        SettingsError: a setting is missing or out of range.
        SystemExit: argparse refused the command line (code 2) or showed its help (code 0).
    """
    flags = vars(build_parser().parse_args(argv))
    if flags.pop("command") == "verify":
        return VerifySettings(**flags)
    del flags["model_name"]  # it has one value
    return ServeSettings.load(environ, store=parse_access(environ), **flags)
