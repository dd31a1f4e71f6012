"""The plan in words, and the labels that keep what doesn't change."""

from typing import Any

from tests.worker.engine.things import container
from worker.engine.compose.changes import compose_changes
from worker.engine.compose.model import CONFIG_LABEL, Model, fenced, marked, pinned, read_model
from worker.engine.compose.prepare import Prepared
from worker.engine.spec import Identity

IDENTITY = Identity("test", 7, "shop-production", 2, 102, 2, 9)


def model(**services: Any) -> Model:
    return Model({"services": services})


def test_in_words_and_without_values() -> None:
    old = model(
        web={"image": "w@sha256:" + "1" * 64, "environment": {"A": "old-secret", "B": "1"}, "ports": [1]},
        db={"image": "d"},
        old={"image": "o"},
    )
    new = model(
        web={
            "image": "w@sha256:" + "2" * 64,
            "environment": {"A": "new-secret", "C": "1"},
            "ports": [2],
            "command": ["x"],
        },
        db={"image": "d"},
        queue={"image": "q"},
    )
    said = [str(each) for each in compose_changes(old, new)]
    assert said == [
        "db stays as it runs",
        "old goes; its volumes stay",
        "queue is new",
        "web is recreated: image w@sha256:111111111111… → w@sha256:222222222222…; "
        "variables: C added, B removed, A changed; another command; published ports changed",
    ]


def test_the_first_time_everything_is_new() -> None:
    assert [each.kind for each in compose_changes(None, model(web={"image": "w"}))] == ["added"]


def test_a_text_that_changed() -> None:
    body = {"image": "w", "configs": [{"source": "page", "target": "/page"}]}
    old = Model({"services": {"web": body}, "configs": {"page": {"content": "1"}}})
    new = Model({"services": {"web": body}, "configs": {"page": {"content": "2"}}})
    assert compose_changes(old, new)[0].reasons == ("the file /page changed",)


def test_labels_stay_where_nothing_changes_and_come_where_it_does() -> None:
    before = pinned(model(web={"image": "w"}), {"web": "w@sha256:1"}, IDENTITY)
    first = marked(before, IDENTITY, {}).services["web"]["labels"]
    assert (first["estiva.release"], first["estiva.installation"]) == ("2", "test")
    running = {
        "web": [container(labels={**first, "estiva.release": "1", "estiva.deployment": "101", "estiva.target": "1"})]
    }
    assert marked(before, IDENTITY, running).services["web"]["labels"]["estiva.release"] == "1"
    after = pinned(model(web={"image": "w"}), {"web": "w@sha256:2"}, IDENTITY)
    labels = marked(after, IDENTITY, running).services["web"]["labels"]
    assert labels["estiva.release"] == "2"
    assert labels[CONFIG_LABEL] != first[CONFIG_LABEL]


def test_a_pinned_model_builds_and_asks_nothing() -> None:
    raw = Model(
        {
            "services": {"web": {"build": {"context": "/estiva"}, "profiles": ["x"], "labels": {"mine": "1"}}},
            "volumes": {"data": {"name": "p_data"}, "theirs": {"name": "t", "external": True}},
        }
    )
    made = pinned(raw, {"web": "sha256:abc"}, IDENTITY)
    assert made.services["web"] == {
        "image": "sha256:abc",
        "labels": {"mine": "1", "estiva.installation": "test", "estiva.placement": "7"},
    }
    assert "labels" not in made.tree["volumes"]["theirs"]
    assert made.tree["volumes"]["data"]["labels"] == {"estiva.installation": "test", "estiva.placement": "7"}


def test_the_fence_and_what_goes() -> None:
    made = fenced(model(web={"image": "w"}), "estiva-x.f9", {"old": "o", "web": "never"})
    assert made.services["old"] == {"image": "o", "scale": 0}
    assert made.services["web"] == {"image": "w"}
    assert made.services["estiva-fence"]["scale"] == 0
    assert made.tree["volumes"]["estiva-fence"] == {"external": True, "name": "estiva-x.f9"}


def test_what_compose_says_is_read_with_the_files_of_variables_below() -> None:
    said = '{"services": {"web": {"image": "w", "environment": {"A": "x$$y"}}}}'
    made = read_model(said, Prepared("", {"web": {"A": "no", "B": "hidden"}}, (), ()))
    assert made.services["web"]["environment"] == {"A": "x$y", "B": "hidden"}
    assert "x$$y" in made.text()
    assert "hidden" not in repr(made)
