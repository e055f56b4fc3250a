"""What is sent; `pytest --update-golden` writes it anew."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_console.actions import BY_VERB
from recommender_operator.notifications import bodies
from recommender_operator.notifications.facts import FactKind
from recommender_operator.notifications.receivers import Receiver
from recommender_operator.notifications.sent_facts import RENEW
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.notifications.samples import (
    ALERTS,
    CONSOLE,
    SLACK,
    WEBHOOK,
    fact,
)

ROOT = Path(__file__).resolve().parents[4]
WAITING: dict[str, Any] = {
    "kind": FactKind.WAITING,
    "reason": "AwaitingPromotion",
    "message": "movies-0123abcd passed its steps",
    "lasting": True,
    "verbs": ("promote", "abort"),
}


def sent(receiver: Receiver, console: str = CONSOLE, **values: Any) -> Any:
    return json.loads(bodies.message(receiver, fact(**values), console, NOW).body)


@pytest.mark.parametrize("receiver", [SLACK, WEBHOOK, ALERTS], ids=lambda one: one.type.value)
def test_a_receiver_gets_what_was_reviewed(
    receiver: Receiver, golden: Callable[[str, Any], None]
) -> None:
    found = {"rolled back": sent(receiver), "waiting": sent(receiver, **WAITING)}
    golden(f"notifications/{receiver.type.value.lower()}", found)


@pytest.mark.parametrize("receiver", [SLACK, WEBHOOK, ALERTS], ids=lambda one: one.type.value)
def test_without_a_console_there_are_no_links(receiver: Receiver) -> None:
    assert "http" not in json.dumps(sent(receiver, console="", **WAITING))


def test_a_fact_about_a_model_leads_to_its_page() -> None:
    found = bodies.links(fact(version="", verbs=("unlock",)), CONSOLE + "/")
    assert found == {
        "page": f"{CONSOLE}/models/team/movies",
        "unlock": f"{CONSOLE}/models/team/movies/actions/unlock",
    }


@given(st.text(max_size=3000) | st.text("[]()<>@#*_~`:/. \nhtpswm", max_size=60))
def test_a_message_of_a_job_mentions_nobody_and_links_nowhere(text: str) -> None:
    said = sent(SLACK, console="", message=text, reason=text[:20])["text"]
    assert not {"<", ">", "`", "~"} & set(said)
    assert all(said[at + 1 : at + 2] == "\u200b" for at, c in enumerate(said) if c in "@#[]_")
    assert not re.search(r"\]\(|://|www\.\w|mailto:\S", said)
    assert len(said.splitlines()) <= 2
    assert len(sent(WEBHOOK, message=text)["message"]) <= bodies.MAX_TEXT


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("see https://evil.example/x", "see https:|//evil.|example/x"),
        ("[Promote](https://evil.example)", "[|Promote]|(https:|//evil.|example)"),
        ("a\n# Urgent\n> b", "a #| Urgent &gt; b"),
        ("@channel www.evil.example", "@|channel www.|evil.|example"),
        ("*a* ~b~ `c` mailto:d", "\u2217a\u2217 \u223cb\u223c 'c' mailto:|d"),
        ("www.1and1.example", "www.|1and1.|example"),
        ("errorRate: 0.08 > 0.02", "errorRate: 0.08 &gt; 0.02"),
    ],
)
def test_slack_shows_markup_and_addresses_as_text(message: str, shown: str) -> None:
    said = sent(SLACK, console="", message=message)["text"].splitlines()
    assert said[1:] == [shown.replace("|", "\u200b")]


@pytest.mark.parametrize(
    ("verdict", "severity"), [("Promote", "info"), ("RollBack", "warning"), ("Futile", "warning")]
)
def test_only_a_won_experiment_is_good_news(verdict: str, severity: str) -> None:
    decided: dict[str, Any] = {"kind": FactKind.EXPERIMENT_DECIDED, "reason": verdict}
    assert sent(WEBHOOK, **decided)["severity"] == severity
    assert sent(SLACK, **decided)["text"].startswith(":warning:") is (severity == "warning")


def test_the_sessions_drift_and_not_the_model() -> None:
    drifted = fact(kind=FactKind.DRIFTED, version="", reason="Shifted")
    assert bodies.title(drifted) == "the sessions of movies in team have drifted (Shifted)"


def test_the_id_is_that_of_receiver_and_fact_alone() -> None:
    first = bodies.message_id(WEBHOOK, fact())
    assert first == bodies.message_id(WEBHOOK, fact(message="other words"))
    assert first != bodies.message_id(SLACK, fact())
    assert first != bodies.message_id(WEBHOOK, fact(id="decision/uid-version/8"))


def test_alertmanager_gets_its_path_and_an_end() -> None:
    made = bodies.message(ALERTS, fact(), CONSOLE, NOW)
    (alert,) = json.loads(made.body)
    assert made.path == "/api/v2/alerts"
    assert alert["startsAt"] < alert["endsAt"]


def test_the_documented_webhook_is_what_is_sent() -> None:
    page = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    (example,) = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    told = WAITING | {
        "namespace": example["namespace"],
        "message": example["message"],
        "at": datetime.datetime.fromisoformat(example["at"]),
    }
    assert sent(WEBHOOK, **told) == example


def test_the_documented_kinds_are_those_there_are() -> None:
    page = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    table = page.split("| kind | sent when |")[1].split("\n\n")[0]
    named = re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.split("\n")[2:]))
    assert named == [str(kind) for kind in FactKind]


def test_an_alert_is_none_of_those_of_prometheus() -> None:
    rules = (ROOT / "manifests" / "monitoring" / "rules.yaml").read_text(encoding="utf-8")
    names = re.findall(r"alert: (\w+)", rules)
    assert "RecommenderRolledBack" in names
    assert bodies.ALERT not in names


def test_an_alert_lasts_until_it_is_sent_again() -> None:
    assert bodies.FIRING > 2 * RENEW


def test_two_decisions_for_one_reason_are_two_alerts_and_one_decision_is_one() -> None:
    first, second = (sent(ALERTS, id=f"decision/uid-version/{n}")[0]["labels"] for n in (7, 8))
    assert first != second
    assert first == sent(ALERTS)[0]["labels"]


def test_every_kind_has_its_words() -> None:
    titles = {bodies.title(fact(kind=kind)) for kind in FactKind}
    assert len(titles) == len(FactKind)


@pytest.mark.parametrize("verb", ["promote", "abort", "retrain", "unlock"])
def test_each_answer_is_an_action_of_the_console(verb: str) -> None:
    assert verb in BY_VERB
