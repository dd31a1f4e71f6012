"""What goes to Compose refers to nothing on the server."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from worker.engine.compose.prepare import Prepared, prepare
from worker.engine.compose.references import references
from worker.engine.compose.spec import Composition, Document
from worker.engine.spec import Secret


def made(tree: dict[str, Any], files: dict[str, str] | None = None, **variables: str) -> Prepared:
    environment = tuple((name, Secret(value)) for name, value in variables.items())
    return prepare(Composition(1, (Document("compose.yaml", tree),), tuple((files or {}).items()), environment))


def tree_of(prepared: Prepared) -> dict[str, Any]:
    assert prepared.problems == ()
    tree: dict[str, Any] = json.loads(prepared.documents)
    return tree


def web(**body: Any) -> dict[str, Any]:
    return {"services": {"web": {"image": "x", **body}}}


def test_files_of_variables_are_taken_in_their_order() -> None:
    files = {"a.env": "A=1\nB=1", "sub/b.env": "B=2\nC=$OWN"}
    prepared = made(web(env_file=["./a.env", {"path": "sub/b.env"}]), files, OWN="o")
    assert "env_file" not in tree_of(prepared)["services"]["web"]
    assert prepared.environments == {"web": {"A": "1", "B": "2", "C": "o"}}


def test_a_file_of_variables_that_may_be_missing() -> None:
    assert made(web(env_file={"path": "gone.env", "required": False})).problems == ()
    assert "gone.env" in made(web(env_file="gone.env")).problems[0]


@pytest.mark.parametrize("path", ["../up.env", "/etc/passwd", "a/../../x"])
def test_no_path_leads_out_of_the_repository(path: str) -> None:
    assert path in made(web(env_file=path), {"x": "A=1"}).problems[0]


def test_a_service_inherits_the_files_of_what_it_extends() -> None:
    tree = {"services": {"base": {"env_file": "a.env"}, "web": {"extends": {"service": "base"}, "env_file": ["b.env"]}}}
    prepared = made(tree, {"a.env": "A=1\nB=1", "b.env": "B=2"})
    assert prepared.environments["web"] == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    "tree",
    [
        web(extends={"file": "/etc/x.yaml", "service": "y"}),
        web(label_file="/etc/labels"),
        web(env_file=[{"path": "a.env", "format": "raw", "required": False}]),
        {**web(), "include": ["/etc/x.yaml"]},
        {"services": {"estiva-fence": {"image": "x"}}},
    ],
)
def test_other_files_are_refused(tree: dict[str, Any]) -> None:
    prepared = made(tree)
    assert prepared.problems
    assert "/etc" not in prepared.documents


def test_variables_without_a_value_never_come_from_the_server() -> None:
    body = tree_of(made(web(environment=["HOME", "OWN", "A=1"], build={"args": {"PATH": None, "OWN": None}}), OWN="v"))
    assert body["services"]["web"]["environment"] == ["OWN=v", "A=1"]
    assert body["services"]["web"]["build"]["args"] == {"OWN": "v"}


def test_values_are_no_templates() -> None:
    body = tree_of(made(web(environment={"A": "${OWN}", "OWN": None}), OWN="${X} $Y $$"))
    assert body["services"]["web"]["environment"] == {"A": "$${X} $$Y $$$$", "OWN": "$${X} $$Y $$$$"}


def test_the_repositorys_own_variables_go_below_the_applications() -> None:
    prepared = made(web(command="$A $B"), {".env": "A=file\nB=file"}, A="own")
    assert tree_of(prepared)["services"]["web"]["command"] == "own file"


def test_texts_of_configs_and_secrets() -> None:
    tree = web(secrets=["token", {"source": "key", "target": "k", "mode": 0o400}, "theirs"], configs=["page"])
    tree["configs"] = {"page": {"file": "page.txt"}}
    tree["secrets"] = {"token": {"environment": "T"}, "key": {"file": "./k.pem"}, "theirs": {"external": True}}
    body = tree_of(made(tree, {"page.txt": "$5", "k.pem": "pem"}, T="t"))
    assert body["configs"]["page"] == {"content": "$$5"}
    assert body["configs"]["estiva-secret-token"] == {"content": "t"}
    assert body["secrets"] == {"theirs": {"external": True}}
    assert body["services"]["web"]["secrets"] == ["theirs"]
    assert body["services"]["web"]["configs"] == [
        "page",
        {"source": "estiva-secret-token", "target": "/run/secrets/token"},
        {"source": "estiva-secret-key", "target": "/run/secrets/k", "mode": 0o400},
    ]


def test_several_documents_stay_several() -> None:
    one, two = (Document(name, web(image=name)) for name in ("a", "b"))
    prepared = prepare(Composition(1, (one, two)))
    assert [json.loads(each)["services"]["web"]["image"] for each in prepared.documents.split("\n---\n")] == ["a", "b"]


def test_what_is_not_set_is_told() -> None:
    assert made(web(command="$A ${B:-x} ${C}"), A="1").unset == ("C",)
    assert made(web(command="${B:?must}")).problems == (
        "compose.yaml, services.web.command: the variable B has to be set: must",
    )


def test_secrets_print_nowhere() -> None:
    assert "hidden-value" not in repr(made(web(command="$A"), A="hidden-value"))


@pytest.mark.parametrize("name", ["", "-x", "--file=/etc/x", "a b", "a;b", "$(id)", "a\n"])
def test_a_profile_is_a_plain_word(name: str) -> None:
    with pytest.raises(ValueError, match="profile"):
        Composition(1, (), profiles=(name,))


ODD: list[Any] = [None, 5, True, "", "${", [], {}, [None], [[]], [{}], {"a": None}, {"file": 5}, {"service": 5}]
WHOLE: dict[str, Any] = {
    "services": {
        "web": {
            "build": {"context": ".", "args": {"A": "1"}, "secrets": ["s", {"source": "t"}]},
            "env_file": ["a.env", {"path": "b", "required": False}],
            "secrets": ["s", {"source": "t", "target": "x"}],
            "configs": ["c"],
            "extends": {"service": "db"},
        },
        "db": {"image": "x", "environment": ["A", "B=1"], "build": "./x"},
    },
    "configs": {"c": {"file": "x"}, "d": {"environment": "B"}},
    "secrets": {"s": {"file": "y"}, "t": {"environment": "B"}},
}


def test_whatever_stands_anywhere_is_left_for_compose_to_refuse() -> None:
    """What people write need not be a Compose file at all: it never ends in an error of our own."""

    def places(tree: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        yield way
        for key, each in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
            yield from places(each, (*way, key))

    for *above, last in [way for way in places(WHOLE) if way]:
        for odd in ODD:
            tree = copy.deepcopy(WHOLE)
            holder: Any = tree
            for key in above:
                holder = holder[key]
            holder[last] = copy.deepcopy(odd)
            documents = (Document("a", tree), Document("b", copy.deepcopy(tree)))
            prepared = prepare(Composition(1, documents, (("x", "1"),), (("B", "v"),)))
            assert prepared.documents or prepared.problems
            list(references(tree, {"B": "v"}.get))
