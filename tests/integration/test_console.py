"""The console before a real API server, whose RBAC decides what each visitor sees and does."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.integration import console_rig, model_objects
from tests.integration import operator_api_rig as rig
from tests.ports import free_port
from tests.unit.recommender_console.samples import CANDIDATE, CHAMPION, OLD

pytestmark = pytest.mark.integration

FORM = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Answer:
    """A page, or where a redirect leads."""

    status: int
    text: str
    location: str


class Staying(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


@dataclass(frozen=True)
class Person:
    """Somebody whose token a proxy sends with each request."""

    url: str
    token: str

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, form: dict[str, str]) -> Answer:
        body = urllib.parse.urlencode(form).encode()
        return self._ask(urllib.request.Request(self.url + path, body, FORM))

    def confirmation(self, path: str) -> dict[str, str]:
        """Return the hidden fields of a confirmation."""
        page = self.get(path).text
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))

    def _ask(self, request: urllib.request.Request) -> Answer:
        request.add_header("Authorization", f"Bearer {self.token}")
        opener = urllib.request.build_opener(Staying())
        try:
            with opener.open(request, timeout=30) as found:
                return Answer(found.status, found.read().decode(), "")
        except urllib.error.HTTPError as error:
            with error:
                where = error.headers.get("Location", "")
                return Answer(error.code, error.read().decode(), where)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with console_rig.served(tmp_path_factory.mktemp("console")) as found:
        yield found


@dataclass(frozen=True)
class World:
    """A namespace with a model, and its people."""

    namespace: str
    viewer: Person
    editor: Person
    nobody: Person

    @property
    def path(self) -> str:
        return f"/models/{self.namespace}/movies"


@pytest.fixture
def world(namespace: str, url: str) -> World:
    console_rig.put_world(namespace)
    viewer, editor, nobody = (Person(url, token) for token in console_rig.people(namespace))
    return World(namespace, viewer, editor, nobody)


def test_the_viewer_sees_everything_and_no_action(world: World) -> None:
    listed = world.viewer.get(f"/?namespace={world.namespace}")
    assert f'href="{world.path}"' in listed.text
    page = world.viewer.get(world.path)
    for words in (CHAMPION, CANDIDATE, "successRate", "hour", "sha256:25f0e9d3c4b7"):
        assert words in page.text
    assert f"system:serviceaccount:{world.namespace}:viewer" in page.text
    assert "/actions/" not in page.text
    version = world.viewer.get(f"{world.path}/versions/{CANDIDATE}")
    assert "Metrics by step" in version.text
    compared = world.viewer.get(f"{world.path}/diff?a={CHAMPION}&b={CANDIDATE}")
    assert "hyperparameters.epochs" in compared.text


def test_the_viewer_can_do_nothing_even_with_a_form_of_their_own(world: World) -> None:
    form = world.viewer.confirmation(f"{world.path}/actions/abort")
    done = world.viewer.post(f"{world.path}/actions/abort", form)
    assert done.status == 403
    assert "cannot patch resource" in done.text
    assert model_objects.asked(world.namespace) == {}


@pytest.mark.parametrize(
    ("verb", "query", "start"),
    [
        ("promote", "", "console-"),
        ("abort", "", "console-"),
        ("rollback", f"?to={OLD}", f"{OLD}#console-"),
    ],
)
def test_the_editor_acts(world: World, verb: str, query: str, start: str) -> None:
    form = world.editor.confirmation(f"{world.path}/actions/{verb}{query}")
    done = world.editor.post(f"{world.path}/actions/{verb}", form)
    assert done.status == 303
    ((name, value),) = model_objects.asked(world.namespace).items()
    assert name == f"recommender.dev/{'rollback-to' if verb == 'rollback' else verb}"
    assert value.startswith(start)
    page = world.editor.get(done.location)
    assert "The operator has not answered yet." in page.text


def test_the_answer_of_the_operator_is_shown_after_the_action(world: World) -> None:
    form = world.editor.confirmation(f"{world.path}/actions/abort")
    location = world.editor.post(f"{world.path}/actions/abort", form).location
    token = model_objects.asked(world.namespace)["recommender.dev/abort"]
    entry = {
        "action": "abort",
        "token": token,
        "at": "2026-11-27T12:00:00Z",
        "result": "Refused: x",
    }
    model_objects.set_status(world.namespace, {"handled": [entry]})
    assert "abort: Refused: x" in world.editor.get(location).text


def test_pause_and_resume_change_the_spec_alone(world: World) -> None:
    before = model_objects.model(world.namespace)["spec"]
    for verb, paused in (("pause", True), ("resume", False)):
        form = world.editor.confirmation(f"{world.path}/actions/{verb}")
        assert world.editor.post(f"{world.path}/actions/{verb}", form).status == 303
        assert model_objects.model(world.namespace)["spec"] == {**before, "paused": paused}


def test_a_write_of_the_operator_after_the_confirmation_does_not_end_it(world: World) -> None:
    form = world.editor.confirmation(f"{world.path}/actions/promote")
    model_objects.set_status(world.namespace, {"candidateWeight": 51, "championWeight": 49})
    assert world.editor.post(f"{world.path}/actions/promote", form).status == 303


def test_another_candidate_than_the_confirmed_one_is_not_promoted(world: World) -> None:
    form = world.editor.confirmation(f"{world.path}/actions/abort")
    model_objects.set_status(world.namespace, {"candidate": OLD})
    done = world.editor.post(f"{world.path}/actions/abort", form)
    assert done.status == 409
    assert f"candidate {OLD}" in done.text
    assert model_objects.asked(world.namespace) == {}


def test_nobody_else_sees_anything(world: World) -> None:
    listed = world.nobody.get(f"/?namespace={world.namespace}")
    assert f"You may not list the models of the namespace {world.namespace}" in listed.text
    for path in ("", f"/versions/{CANDIDATE}", "/actions/abort", f"/diff?a={OLD}&b={CHAMPION}"):
        answer = world.nobody.get(world.path + path)
        assert answer.status == 403
        assert CHAMPION not in answer.text
    assert model_objects.asked(world.namespace) == {}


def test_a_token_that_the_api_server_does_not_know_is_refused(world: World) -> None:
    stranger = Person(world.viewer.url, "e30.e30.c2ln")
    assert stranger.get(world.path).status == 401


def test_who_may_not_list_all_namespaces_is_told_to_name_one(world: World) -> None:
    page = world.viewer.get("/")
    assert page.status == 200
    assert "You may not list the models of all namespaces. Name a namespace below." in page.text


def test_the_console_lists_the_namespaces_of_its_settings(
    world: World, tmp_path: pathlib.Path
) -> None:
    with console_rig.served(tmp_path, (world.namespace, "kube-system")) as url:
        page = Person(url, world.viewer.token).get("/")
    assert f'href="{world.path}"' in page.text
    assert "You may not list the models of the namespace kube-system" in page.text


def test_a_model_that_does_not_exist_is_a_page(world: World) -> None:
    answer = world.viewer.get(f"/models/{world.namespace}/books")
    assert answer.status == 404
    assert "not found" in answer.text


def test_many_models_are_listed_page_by_page(namespace: str, url: str) -> None:
    items = []
    for number in range(120):
        model = rig.manifest(namespace, f"model-{number:03}")
        model["metadata"]["labels"] = {"recommender.dev/instance": "none"}
        items.append(model)
    everything = {"apiVersion": "v1", "kind": "List", "items": items}
    rig.kubectl("create", "-f", "-", stdin=json.dumps(everything))
    viewer = Person(url, console_rig.people(namespace)[0])
    first = viewer.get(f"/?namespace={namespace}").text
    assert "120 models, page 1 of 2" in first
    assert "model-099" in first
    assert "model-100" not in first
    assert "model-119" in viewer.get(f"/?namespace={namespace}&page=2").text
    rig.kubectl("-n", namespace, "delete", "recommendermodels", "--all", "--wait=false")


def test_the_process_serves_until_a_signal(tmp_path: pathlib.Path) -> None:
    config = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
    cluster = config["clusters"][0]["cluster"]
    authority = tmp_path / "ca.crt"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    port = free_port()
    given = {
        "RECOMMENDER_CONSOLE_PORT": str(port),
        "RECOMMENDER_CONSOLE_API_SERVER": cluster["server"],
        "RECOMMENDER_CONSOLE_CA_FILE": str(authority),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "recommender_console"]
    with subprocess.Popen(command, env={**os.environ, **given}, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        assert first["message"] == f"the console listens on port {port}"
        assert Person(f"http://127.0.0.1:{port}", "x").get("/healthz").text == "ok\n"
        process.terminate()
        assert process.wait(60) == 0
