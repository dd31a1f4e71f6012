"""What of a Compose file is built, from where, and what is refused; which files it refers to."""

import json
from typing import Any

import pytest

from tests.worker.engine.compose.stage import Stage, three
from worker.connections.fake_compose import FakeComposeHost
from worker.connections.fake_model import resolved
from worker.engine.compose.builds import INLINE, ServiceBuild, refusals, service_builds
from worker.engine.compose.model import Model, read_model
from worker.engine.compose.preflight import preflight
from worker.engine.compose.prepare import Prepared, prepare
from worker.engine.compose.references import references
from worker.engine.compose.spec import Composition, Document
from worker.engine.events import Finding


def made(*trees: dict[str, Any], folder: str = "", **variables: str) -> tuple[Model, Prepared]:
    documents = tuple(Document(f"{number}.yaml", tree) for number, tree in enumerate(trees))
    prepared = prepare(Composition(1, documents, environment=tuple(variables.items()), folder=folder))
    assert prepared.problems == ()
    said = resolved("p", [json.loads(each) for each in prepared.documents.split("\n---\n")], ())
    return read_model(json.dumps(said), prepared), prepared


def built(*trees: dict[str, Any], folder: str = "", **variables: str) -> list[ServiceBuild]:
    model, prepared = made(*trees, folder=folder, **variables)
    assert refusals(model) == []
    return service_builds(model, prepared.build_secrets, folder)


def web(build: Any, **body: Any) -> dict[str, Any]:
    return {"services": {"web": {"build": build, **body}}}


@pytest.mark.parametrize(
    ("written", "folder", "path"),
    [
        ("web", "", "web"),
        (".", "", ""),
        ("..", "deploy", ""),
        ("../web/", "deploy", "web"),
        ("./sub", "deploy", "deploy/sub"),
        ({"dockerfile": "D"}, "deploy", "deploy"),
    ],
)
def test_contexts_are_folders_of_the_repository(written: Any, folder: str, path: str) -> None:
    build = written if isinstance(written, dict) else {"context": written, "dockerfile": "D"}
    (found,) = built(web(build), folder=folder)
    assert (found.folder, found.dockerfile) == (path, "D")


def test_what_one_image_is_made_from() -> None:
    secrets = {"secrets": {"npm": {"environment": "TOKEN"}}}
    build = {
        "context": "web",
        "args": {"A": "$TOKEN", "B": "1"},
        "target": "prod",
        "labels": {"x": "y"},
        "secrets": [{"source": "npm", "target": "id"}],
        "tags": ["ignored"],
        "no_cache": True,
    }
    (found,) = built(web(build, platform="linux/arm64"), secrets, TOKEN="t")
    assert found == ServiceBuild(
        ("web",), "web", "Dockerfile", "", "prod", (("A", "t"), ("B", "1")), (("x", "y"),), (("id", "t"),),
        "linux/arm64", True,
    )  # fmt: skip


def test_a_dockerfile_in_the_file_and_equal_builds_once() -> None:
    tree = {"services": {name: {"build": {"context": ".", "dockerfile_inline": "FROM $BASE"}} for name in "ba"}}
    (found,) = built(tree, BASE="x")
    assert (found.services, found.dockerfile, found.text) == (("a", "b"), INLINE, "FROM x")


def test_a_service_inherits_the_secrets_of_what_it_extends() -> None:
    tree = {
        "services": {
            "base": {"build": {"context": ".", "secrets": ["one"]}},
            "web": {"build": {"context": "."}, "extends": {"service": "base"}},
        },
        "secrets": {"one": {"environment": "ONE"}},
    }
    _, prepared = made(tree, ONE="1")
    assert prepared.build_secrets == {"base": {"one": "1"}, "web": {"one": "1"}}


REFUSED: list[tuple[Any, str]] = [
    ({"context": "../up"}, "not in the repository"),
    ({"context": "/etc"}, "not in the repository"),
    ({"context": "https://example.org/x.git"}, "not in the repository"),
    ({"context": "git@example.org:x.git"}, "not in the repository"),
    ({"context": ".", "additional_contexts": {"a": "./b"}}, "`additional_contexts`"),
    ({"context": ".", "network": "host"}, "`network`"),
    ({"context": ".", "cache_to": ["x"]}, "`cache_to`"),
    ({"context": ".", "platforms": ["linux/amd64", "linux/arm64"]}, "several platforms"),
    ({"context": ".", "dockerfile": "../D"}, "outside of its build context"),
    ({"context": ".", "secrets": ["elsewhere"]}, "the secret elsewhere"),
]


@pytest.mark.parametrize(("build", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_is_not_done_is_refused_by_name(build: dict[str, Any], said: str) -> None:
    model, _ = made(web(build))
    assert any(said in each for each in refusals(model)), refusals(model)


def test_references_with_their_variables_put_in() -> None:
    tree = {
        "services": {
            "web": {"env_file": ["$WHICH.env", {"path": "b.env", "required": False}]},
            "x": {"env_file": "/abs"},
        },
        "configs": {"c": {"file": "conf/a"}, "d": {"content": "x"}},
        "secrets": {"s": {"file": "${BAD"}},
    }
    found = [(each.path, each.required) for each in references(tree, {"WHICH": "one"}.get)]
    assert found == [("one.env", True), ("b.env", False), ("conf/a", True)]


def test_an_image_that_is_built_first_is_said_and_a_deploy_needs_it() -> None:
    stage = Stage()
    stage.deploy(1, three())
    tree = three()
    tree["services"]["web"] = {"build": {"context": "."}, "restart": "always"}
    stage.server.images.publish("registry.test/db", "1")

    def looked(**changes: Any) -> tuple[list[Finding], Any]:
        looking = preflight(stage.spec(2, tree, **changes), FakeComposeHost(stage.server))
        findings: list[Finding] = []
        while True:
            try:
                event = next(looking)
            except StopIteration as end:
                return findings, end.value
            if isinstance(event, Finding):
                findings.append(event)

    findings, found = looked(builder="build-1")
    assert not [each for each in findings if each.result == "bad"]
    assert any(each.message == "web is built on build-1 first." for each in findings)
    change = next(each for each in found.changes if each.service == "web")
    assert (change.kind, change.after) == ("recreated", "")
    assert "its image is built anew" in change.reasons
    assert (found.builds, "web" in dict(found.images)) == (("web",), False)
    findings, _ = looked()
    assert [each.message for each in findings if each.result == "bad"] == [
        "web is built from the repository, but no built image is known for it."
    ]
