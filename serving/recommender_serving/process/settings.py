"""Settings of the transformer, from flags and the environment that the operator sets."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recommender_contract.logs import FORMATS, LEVELS
from recommender_contract.online_store import HIDDEN, Hide
from recommender_runtime.redis_access import Access
from recommender_serving.domain.callers import UNKNOWN, Callers
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.experiments.peers import Addresses
from recommender_serving.process import environment
from recommender_serving.process.environment import DEFAULT_TRACE_RATIO, SettingsError
from recommender_serving.ranking.answer_cache import Bounds
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
                          commas (default: all but Seen; empty: nothing)
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
  RECOMMENDER_EXPLORATION     serving.exploration of the resource, as JSON; only answers that are
                          reported explore (default: none)
  RECOMMENDER_HOLDOUT     users whom the model does not answer, as JSON; nobody is, unless all
                          answers are reported (default: none)
  RECOMMENDER_PEERS       addresses of the other versions of an experiment, for REST and gRPC
                          (default: {version}-transformer:80,{version}-transformer:8081)
  OTEL_EXPORTER_OTLP_ENDPOINT  receiver of traces (OTLP over HTTP), a base URL (default: none)
  OTEL_TRACES_SAMPLER_ARG share of requests with a trace, unless their client decides (default .01)

exit codes: 0 success; 1 the artifact is damaged or cannot be served; 2 invalid command line"""

DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Settings of `serve`; times are in seconds."""

    artifact: Path
    predictor: str  # host:port of Triton's gRPC endpoint
    http_port: int
    grpc_port: int
    model: str
    version: str
    timeout: float  # of the model
    baseline_timeout: float
    digest: str | None = None  # of the artifact, verified before it is loaded
    max_in_flight: int = 128  # calls to one Triton model at a time
    drain: float = 5.0  # from the signal until the ports close
    grace: float = 20.0  # for requests that are still in flight then
    model_wait: float | None = None  # until it answers without Triton; None waits for it
    store: Access | None = None  # of the users' recent interactions; None reads none
    hide: frozenset[Hide] = HIDDEN  # items that the store knows and answers leave out
    list_limits: ListLimits = UNLIMITED
    log_level: str = "INFO"
    log_format: str = "json"
    user_key_file: Path | None = None  # key of the users' names in the log; None: a random one
    collector: str | None = None  # base URL of the collector; None gets no impressions
    collector_keys: Path | None = None  # folder of the keys that it knows
    impressions: float = 0.0  # share of the answers that it gets
    predictions: bool = False  # impressions have the probabilities of their items
    label_segments: tuple[str, ...] = ()  # features that divide these predictions
    exploration: Exploration | None = None  # of answers that are reported; None: no answer
    holdout: Holdout | None = None  # users whom the model does not answer; None: nobody
    trace_endpoint: str | None = None  # base URL of the OTLP receiver; None exports no traces
    trace_ratio: float = DEFAULT_TRACE_RATIO  # of requests without a trace of their client
    cache: Bounds | None = None  # of answers; None keeps none
    peers: Addresses = field(default_factory=Addresses)  # of the other versions of the model
    trending: bool = False  # mix the store's trends into the popularity lists
    callers: Callers = UNKNOWN  # who may learn what users did

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
        type=_endpoint,
        default="localhost:9000",
        help="Triton's gRPC endpoint, HOST:PORT (default localhost:9000)",
    )
    add(
        "--http-port",
        "--http_port",
        type=_port,
        default=8080,
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
        type=_seconds,
        help="become ready after this time without Triton, and answer from the fallbacks "
        "(default: wait for Triton)",
    )
    add("--grpc-port", type=_port, default=8081, help="port of gRPC (default 8081)")
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
        default=128,
        help="maximum number of concurrent calls per Triton model (default 128)",
    )
    add(
        "--drain-seconds",
        type=_seconds,
        default=5.0,
        help="time after SIGTERM to keep serving while unready (default 5)",
    )
    add(
        "--grace-seconds",
        type=_seconds,
        default=20.0,
        help="time to wait for requests in flight after that (default 20)",
    )


def parse(argv: list[str], environ: Mapping[str, str]) -> ServeSettings | VerifySettings:
    """Read the command line and the environment.

    Raises:
        SettingsError: a setting is missing or out of range.
        SystemExit: argparse refused the command line (code 2) or showed its help (code 0).
    """
    args = build_parser().parse_args(argv)
    if args.command == "verify":
        return VerifySettings(artifact=args.artifact, digest=args.digest)
    if args.http_port == args.grpc_port:
        raise SettingsError(
            f"--http-port and --grpc-port are both {args.http_port}: choose different ports"
        )
    timeout = environment.timeout_ms(args.timeout_ms, environ)
    # Half the model's timeout, at most 100 ms: a fallback must not double the user's wait.
    baseline = args.baseline_timeout_ms or min(100.0, timeout / 2)
    return ServeSettings(
        artifact=args.artifact,
        predictor=args.predictor_host,
        http_port=args.http_port,
        grpc_port=args.grpc_port,
        model=environment.name_of(args.model, environ, "--model", "RECOMMENDER_MODEL"),
        version=environment.name_of(args.version, environ, "--version", "RECOMMENDER_VERSION"),
        timeout=timeout / 1000,
        baseline_timeout=baseline / 1000,
        digest=args.digest,
        max_in_flight=args.max_in_flight,
        drain=args.drain_seconds,
        grace=args.grace_seconds,
        model_wait=args.model_wait_seconds,
        store=environment.store(environ),
        hide=environment.hide(environ),
        cache=environment.cache(environ),
        list_limits=environment.list_limits(environ),
        collector=environment.collector(environ),
        collector_keys=Path(keys) if (keys := environ.get("RECOMMENDER_COLLECTOR_KEYS")) else None,
        impressions=environment.impressions(environ),
        predictions=environment.predictions(environ),
        label_segments=environment.label_segments(environ),
        exploration=environment.exploration(environ),
        holdout=environment.holdout(environ),
        log_level=environment.choice(environ, "RECOMMENDER_LOG_LEVEL", LEVELS, "INFO"),
        log_format=environment.choice(environ, "RECOMMENDER_LOG_FORMAT", FORMATS, "json"),
        user_key_file=environment.file_of(environ, "RECOMMENDER_LOG_USER_KEY_FILE"),
        trace_endpoint=environment.trace_endpoint(environ),
        trace_ratio=environment.trace_ratio(environ),
        peers=environment.peers(environ),
        trending=environment.trending(environ),
        callers=environment.callers(environ),
    )
