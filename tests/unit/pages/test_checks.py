"""The checks of the pages find mistakes: each one is shown a wrong block."""

from __future__ import annotations

import pytest

from tests.pages import charts, models, programs, requests, shell, snippets
from tests.pages.blocks import Block


def wrong(text: str, language: str = "sh") -> str:
    return "\n".join(programs.problems(Block("docs/requests.md", 1, language, text)))


def test_a_script_is_split_as_the_shell_splits_it() -> None:
    script = (
        'X=1 a "b c" \\\n  --d=\'{"e": 1}\' 2> /dev/null > out | f $(date +%s) & # no\n'
        "for i in 1 2; do\n  g $i#1\ndone && h 'one\ntwo'\n"
    )
    assert shell.commands(script) == [
        ("a", "b c", '--d={"e": 1}'), ("f", "$(date +%s)"), ("g", "$i#1"), ("h", "one\ntwo"),
    ]  # fmt: skip


def test_an_unclosed_quote_is_no_script() -> None:
    with pytest.raises(ValueError, match="not understood"):
        shell.commands("echo 'one")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("frobnicate --all", "no known program"),
        ("kubectl gte pods", "gte is no known verb"),
        ("kubectl get recommendermodles", "recommendermodles is no known kind"),
        ("kubectl get pods --colour", "--colour is no known flag"),
        ("kubectl get recm movies -o jsonpath='{.status.champoin}'", "has no champoin"),
        ("kubectl get mver -o custom-columns=A:.spec.modle", "has no modle"),
        ("kubectl explain recommendermodel.spec.trainning", "has no trainning"),
        ("kubectl wait --for=condition=Redy recm/movies", "Redy is no condition"),
        ("kubectl annotate recm movies recommender.dev/promot=1", "annotate knows"),
        ("kubectl label pvc artifacts recommender.dev/store=true", "label knows"),
        ("kubectl apply -f manifests/sample/minimal.yaml", "does not exist"),
        ("kubectl patch recm movies --type=merge -p '{\"spec\": {\"pausd\": true}}'", "pausd"),
        ("kubectl patch recm movies -p '{\"spec\": {\"paused\": true}}'", "--type=merge"),
        ("kubectl patch recm movies --type=merge -p '{\"spec\"'", "Expecting"),
        ("kubectl recommender why", "required"),
        ("kubectl recommender explain movies", "invalid choice"),
        ("kubectl recommender rollback movies --too v", "--too"),
        ("recommender-training trian --lake work", "invalid choice"),
        ("recommender-simulate --users 3", "--url"),
        ("helm instal recommender charts/recommender-operator", "no known verb"),
        ("helm install recommender charts/operator", "takes a release and"),
        ("helm upgrade r charts/recommender-operator --set console.enabld=true", "enabld"),
        ("helm upgrade r charts/recommender-operator --set console.enabled=1", "boolean"),
        ("helm template r charts/recommender-operator --show-only templates/no.yaml", "exist"),
        ("torchrun python train.py", "starts no recommender-training"),
        ("pip install '.[cil]'", "no extra cil"),
        ("pip install recommender", "not of this repository"),
        ("make tset", "no target tset"),
        ("python -m tests.benchmarks.nothing", "no module"),
        ("curl http://GATEWAY/v1/models/recommender:predct -d '{}'", "nothing answers"),
        ("curl -Z http://GATEWAY/docs", "-Z is no known flag"),
        ("grpcurl -d '{}' GATEWAY inference.GRPCInferenceService/ModelInfre", "no method"),
    ],
)  # fmt: skip
def test_a_wrong_command_is_found(command: str, message: str) -> None:
    assert message in wrong(command)


def test_a_synopsis_stands_for_each_of_its_commands() -> None:
    assert wrong("kubectl recommender open MODEL [VERSION]", "inline") == ""
    assert "--nothing" in wrong("kubectl recommender status [MODEL] [--nothing]", "inline")
    assert programs.synopses("a (b | c) <d>") == ["a b  d", "a  c d"]


def test_a_verb_alone_is_only_mentioned_in_the_text() -> None:
    assert wrong("kubectl recommender experiment", "inline") == ""
    assert "no verb" in wrong("kubectl recommender experimnt", "inline")
    assert "required" in wrong("kubectl recommender experiment")


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/models/recommender:predict", '{"instances": [{"user": 1}]}', "user"),
        ("/v1/models/recommender:predict", '{"instances": [{"user_id": 1, "top": 3}]}', "top_n"),
        ("/v2/models/recommender/infer", '{"inputs": [{"name": "user"}]}', "inputs[0]"),
        ("/v1/events", '{"id": "1", "kind": "clik", "user": "a", "item": "b"}', "kind"),
        ("/metrics", "{}", "takes no body"),
    ],
)
def test_a_wrong_body_is_found(path: str, body: str, message: str) -> None:
    assert message in "\n".join(requests.body_problems("docs/send-events.md", path, body))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"training": {"seeed": 1}}, "seeed"),
        ({"serving": {"replicas": "two"}}, "replicas"),
        ({"rollout": {"steps": []}}, "steps"),
        ({"data": {"source": {"mapping": {"interactions": {"usr": "u"}}}}}, "usr"),
        (
            {"data": {"source": {"mapping": {"label": {"positiveTypes": [{"type": "x"}]}}}}},
            "mapping",
        ),
    ],
)
def test_a_wrong_part_of_a_spec_is_found(spec: models.Json, message: str) -> None:
    assert message in "\n".join(models.fragment_problems({"spec": spec}))


def test_wrong_values_of_the_chart_are_found() -> None:
    assert list(charts.value_problems({"console": {"enabled": True}})) == []
    assert "urll" in "\n".join(charts.value_problems({"console": {"urll": "x"}}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("answer = 1 +", "invalid syntax"),
        ("from recommender_client import Clinet", "Clinet"),
        ("print(answer)", "answer is not defined"),
        ("from recommender_client import Query\nQuery(usr=1)", "unexpected keyword"),
        (
            "from recommender_client import Client\n"
            "with Client('http://GATEWAY') as client:\n    client.recomend(1)",
            "there is no recomend",
        ),
        (
            "from recommender_client import Client, Query\n"
            "client = Client('http://GATEWAY')\nanswer = client.recommend(Query(user_id=1))\n"
            "answer.itmes",
            "there is no itmes",
        ),
    ],
)
def test_wrong_python_is_found(text: str, message: str) -> None:
    assert message in "\n".join(snippets.problems(text))
