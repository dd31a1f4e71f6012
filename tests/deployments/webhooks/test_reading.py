"""Every kind's request: whose secret it bears, and what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deployments.webhooks import reading
from deployments.webhooks.push import Ignored, Image, Malformed, Push, Received, Unauthentic
from deployments.webhooks.request import WebhookRequest
from tests.deployments.webhooks import samples
from tests.deployments.webhooks.samples import AFTER, BEFORE, DIGEST, NOW, SECRET, TAG_OBJECT, URL, ZERO

KINDS = ("github", "gitlab", "gitea", "registry", "plain")


def signed(kind: str, body: bytes, secret: str = SECRET, at: float = NOW, /, **more: str) -> WebhookRequest:
    """The body as that kind's sender sends it."""
    headers = {
        "github": {"x_github_event": "push", "x_github_delivery": "7f1c", "x_hub_signature_256": ""},
        "gitlab": {"x_gitlab_event": "Push Hook", "x_gitlab_event_uuid": "7f1c", "x_gitlab_token": secret},
        "gitea": {"x_gitea_event": "push", "x_gitea_delivery": "7f1c", "x_gitea_signature": samples.sign(body, secret)},
        "registry": {"authorization": f"Bearer {secret}"},
        "plain": {"x_estiva_delivery": "7f1c"},
    }[kind]
    if kind == "github":
        headers["x_hub_signature_256"] = f"sha256={samples.sign(body, secret)}"
    if kind == "plain":
        headers["x_estiva_signature"] = f"t={at:.0f},v1={samples.sign(f'{at:.0f}.'.encode() + body, secret)}"
    return samples.request(body, **{**headers, **more})


def read(kind: str, sent: dict[str, Any] | bytes, **more: str) -> Received:
    """The one thing that a request says."""
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    (received,) = reading.authenticate(kind, signed(kind, body, **more), SECRET).read()
    return received


def pushed(kind: str, sent: dict[str, Any] | bytes, **more: str) -> Push:
    """As `read`, where it must be a push."""
    received = read(kind, sent, **more)
    assert isinstance(received, Push), received
    return received


def ignored(kind: str, sent: dict[str, Any], **more: str) -> Ignored:
    """As `read`, where nothing may come of it."""
    received = read(kind, sent, **more)
    assert isinstance(received, Ignored), received
    return received


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_secret_lets_in(kind: str) -> None:
    assert reading.authenticate(kind, signed(kind, b"{}"), SECRET).kind == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["", "wrong", SECRET[:-1], f"{SECRET} ", "ç" * 20])
def test_any_other_secret_does_not(kind: str, other: str) -> None:
    with pytest.raises(Unauthentic):
        reading.authenticate(kind, signed(kind, b"{}", other), SECRET + "x")


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_without_any_does_not(kind: str) -> None:
    with pytest.raises(Unauthentic):
        reading.authenticate(kind, samples.request(b"{}"), SECRET)


@pytest.mark.parametrize("kind", ["github", "gitea", "plain"])
def test_a_body_that_was_changed_does_not(kind: str) -> None:
    honest = signed(kind, b'{"ref": "main"}')
    changed = WebhookRequest(honest.headers, b'{"ref": "evil"}', NOW)
    with pytest.raises(Unauthentic):
        reading.authenticate(kind, changed, SECRET)


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_of_odd_characters_is_refused_like_any_other(kind: str) -> None:
    headers = dict.fromkeys(
        ["x-hub-signature-256", "x-gitlab-token", "x-gitea-signature", "authorization", "x-estiva-signature"],
        "sha256=\xff\u2603\ud800",
    )
    with pytest.raises(Unauthentic):
        reading.authenticate(kind, WebhookRequest(headers, b"{}", NOW), SECRET)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [b"", b"nothing", b"[1]", b"\xff\xfe", b"NaN", b'{"a": ' + b"9" * 5000 + b"}", b"[" * 200_000, b'{"a":' * 200_000],
    ids=["empty", "text", "list", "bytes", "nan", "number", "lists", "objects"],
)
def test_what_is_no_object_is_malformed(kind: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        reading.authenticate(kind, signed(kind, body), SECRET).read()


@given(
    some.sampled_from(KINDS),
    some.recursive(
        some.none() | some.booleans() | some.integers() | some.text(max_size=8),
        lambda inner: (
            some.lists(inner, max_size=4)
            | some.dictionaries(
                some.sampled_from(
                    [
                        "ref",
                        "after",
                        "before",
                        "commits",
                        "events",
                        "target",
                        "head_commit",
                        "repository",
                        "project",
                        "id",
                        "action",
                        "tag",
                        "commit",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    ),
)
def test_whatever_json_comes_is_read_or_malformed(kind: str, sent: Any) -> None:
    body = json.dumps({"ref": "refs/heads/main", "events": [sent], **(sent if isinstance(sent, dict) else {})}).encode()
    try:
        received = reading.authenticate(kind, signed(kind, body), SECRET).read()
    except Malformed:
        return  # any other error fails the test
    assert all(isinstance(each, Push | Ignored) for each in received)


def test_github_push() -> None:
    assert pushed("github", samples.github()) == Push(
        kind="github",
        delivery_id="7f1c",
        event="push",
        repository_urls=(
            URL,
            "git@git.example.com:harbour/storefront.git",
            "https://git.example.com/harbour/storefront",
        ),
        branch="main",
        before=BEFORE,
        commit=AFTER,
        commits=1,
        paths=("shop/cart.py",),
        all_paths=True,
        message="Sort the cart by price\n\nIt was by name.",
        pusher="ana-prado",
    )


def test_github_push_as_a_form() -> None:
    from urllib.parse import urlencode

    body = urlencode({"payload": json.dumps(samples.github())}).encode()
    push = pushed("github", body, content_type="application/x-www-form-urlencoded")
    assert push.commit == AFTER
    with pytest.raises(Malformed, match="payload"):
        read("github", b"other=1", content_type="application/x-www-form-urlencoded")


def test_github_annotated_tag_is_its_commit_not_the_tag() -> None:
    tag = samples.github(ref="refs/tags/v2.0", before=ZERO, after=TAG_OBJECT, commits=[])
    push = pushed("github", tag)
    assert (push.tag, push.branch, push.commit, push.before) == ("v2.0", "", AFTER, "")
    assert not push.all_paths


def test_github_deleted_branch() -> None:
    push = pushed("github", samples.github(deleted=True, after=ZERO, head_commit=None, commits=[]))
    assert push.deleted
    assert push.commit == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"forced": True},
        {"before": ZERO},
        {"commits": []},
        {"commits": [samples.commit()] * 2048},
        {"commits": [samples.commit(added=[f"f{n}" for n in range(3000)])]},
        {"commits": [{"id": AFTER, "message": "without its files"}]},
        {"commits": [samples.commit(added=["x" * 501])]},
        {"commits": [samples.commit(added=[7])]},  # type: ignore[list-item]
    ],
    ids=["forced", "new branch", "no commits", "many commits", "many files", "no files", "long path", "odd path"],
)
def test_github_push_that_may_not_list_all_files(changes: dict[str, Any]) -> None:
    assert not pushed("github", samples.github(**changes)).all_paths


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("ping", "ping"),
        ("create", "made"),
        ("delete", "deleted"),
        ("fork", "fork"),
        ("issues", "issues"),
        ("", "names no event"),
    ],
)
def test_github_other_events(event: str, words: str) -> None:
    said = ignored("github", {"zen": "Keep it logically awesome."}, x_github_event=event)
    assert words in said.reason
    assert (said.event, said.delivery_id) == (event, "7f1c")


def test_github_notes_are_no_branch() -> None:
    assert "Neither" in ignored("github", samples.github(ref="refs/notes/commits")).reason


@pytest.mark.parametrize("commit", ["HEAD", "9c41", "Z" * 40, "-" * 40])
def test_a_commit_that_is_none_is_malformed(commit: str) -> None:
    with pytest.raises(Malformed):
        read("github", samples.github(after=commit, head_commit=None))
    with pytest.raises(Malformed):
        read("gitlab", samples.gitlab(after=commit, checkout_sha=commit))
    with pytest.raises(Malformed):
        read("gitea", samples.gitea(after=commit, head_commit=None))


def test_gitlab_push() -> None:
    push = pushed("gitlab", samples.gitlab())
    assert (push.branch, push.before, push.commit, push.pusher) == ("main", BEFORE, AFTER, "Ana Prado")
    assert push.repository_urls[0] == URL
    assert (push.paths, push.all_paths) == (("shop/cart.py",), True)
    assert push.subject == "Sort the cart by price"


def test_gitlab_message_is_the_newest_commits() -> None:
    commits = [samples.commit(BEFORE, "Older"), samples.commit(AFTER, "Newest [skip deploy]")]
    assert pushed("gitlab", samples.gitlab(commits=commits, total_commits_count=2)).message == "Newest [skip deploy]"


def test_gitlab_lists_only_some_commits() -> None:
    push = pushed("gitlab", samples.gitlab(total_commits_count=31))
    assert (push.commits, push.all_paths) == (31, False)


def test_gitlab_annotated_tag() -> None:
    sent = samples.gitlab(object_kind="tag_push", ref="refs/tags/v2.0", before=ZERO, after=TAG_OBJECT, commits=[])
    push = pushed("gitlab", sent, x_gitlab_event="Tag Push Hook")
    assert (push.tag, push.commit) == ("v2.0", AFTER)


def test_gitlab_deleted_branch() -> None:
    assert pushed("gitlab", samples.gitlab(after=ZERO, checkout_sha=None, commits=[])).deleted


def test_gitlab_other_events() -> None:
    assert "Merge Request Hook" in ignored("gitlab", {}, x_gitlab_event="Merge Request Hook").reason
    assert "project itself" in ignored("gitlab", samples.gitlab(), x_gitlab_event="System Hook").reason


def test_gitlab_names_a_delivery_by_what_a_retry_repeats() -> None:
    push = pushed("gitlab", samples.gitlab(), idempotency_key="once-5")
    assert push.delivery_id == "once-5"


def test_gitea_push() -> None:
    push = pushed("gitea", samples.gitea())
    assert (push.branch, push.before, push.commit, push.pusher, push.all_paths) == ("main", BEFORE, AFTER, "ana", True)


def test_forgejo_headers() -> None:
    body = json.dumps(samples.gitea()).encode()
    headers = {"x_forgejo_event": "push", "x_forgejo_delivery": "f0", "x_forgejo_signature": samples.sign(body)}
    (push,) = reading.authenticate("gitea", samples.request(body, **headers), SECRET).read()
    assert (push.kind, push.delivery_id) == ("gitea", "f0")


def test_gitea_cut_list_and_deletion() -> None:
    assert not pushed("gitea", samples.gitea(total_commits=12)).all_paths
    assert pushed("gitea", samples.gitea(after=ZERO, head_commit=None, commits=[])).deleted
    assert "deleted" in ignored("gitea", {"ref": "old", "ref_type": "branch"}, x_gitea_event="delete").reason


def test_registry_push() -> None:
    push = pushed("registry", {"events": [samples.registry_event()]})
    assert push.image == Image("harbour/storefront", "2.4.2", DIGEST)
    assert (push.delivery_id, push.pusher, push.ref) == ("e-1", "ci", "2.4.2")


def test_registry_envelope_of_several() -> None:
    events = [
        samples.registry_event("e-1", mediaType="application/octet-stream", tag=""),
        samples.registry_event("e-2", action="pull"),
        samples.registry_event("e-3", tag=""),
        samples.registry_event("e-4", mediaType="application/vnd.oci.image.index.v1+json"),
    ]
    body = json.dumps({"events": events}).encode()
    received = reading.authenticate("registry", signed("registry", body), SECRET).read()
    assert [isinstance(each, Push) for each in received] == [False, False, False, True]
    assert [each.delivery_id for each in received] == ["e-1", "e-2", "e-3", "e-4"]
    assert all(each.is_noise for each in received if isinstance(each, Ignored))


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"events": "all"},
        {"events": [samples.registry_event() for _number in range(101)]},
        {"events": [samples.registry_event("")]},
        {"events": [samples.registry_event(tag="-rf")]},
        {"events": [samples.registry_event(digest="sha256:zz")]},
        {"events": [samples.registry_event(repository="")]},
    ],
)
def test_registry_envelope_that_cannot_be_read(sent: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read("registry", sent)


@pytest.mark.parametrize("value", [SECRET, f"Bearer {SECRET}", f"bearer  {SECRET}"])
def test_registry_secret_with_and_without_bearer(value: str) -> None:
    request = samples.request({"events": []}, authorization=value)
    assert reading.authenticate("registry", request, SECRET).read() == ()


@pytest.mark.parametrize(
    ("sent", "branch", "tag"),
    [
        ({"ref": "main"}, "main", ""),
        ({"ref": "refs/heads/release/2"}, "release/2", ""),
        ({"ref": "refs/tags/v1"}, "", "v1"),
        ({"tag": "v1"}, "", "v1"),
    ],
)
def test_plain_push(sent: dict[str, str], branch: str, tag: str) -> None:
    push = pushed("plain", {**sent, "commit": AFTER})
    assert (push.branch, push.tag, push.commit, push.delivery_id) == (branch, tag, AFTER, "7f1c")


@pytest.mark.parametrize(
    "sent",
    [{}, {"ref": ""}, {"ref": "a b"}, {"ref": "main", "tag": "v1"}, {"ref": "x" * 201}, {"ref": 7}, {"commit": AFTER}],
)
def test_plain_push_that_names_nothing(sent: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read("plain", sent)


def test_plain_ping() -> None:
    assert "ping" in ignored("plain", {"ping": True}).reason


@pytest.mark.parametrize(("away", "in_time"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)])
def test_plain_signature_holds_five_minutes(away: float, in_time: bool) -> None:
    request = signed("plain", b'{"ref": "main"}', SECRET, NOW + away)
    if in_time:
        assert reading.authenticate("plain", request, SECRET).proof
        return
    with pytest.raises(Unauthentic, match="clock"):
        reading.authenticate("plain", request, SECRET)


@pytest.mark.parametrize("signature", ["t=1", "v1=aa", "t=x,v1=aa", "t=" + "9" * 13 + ",v1=aa", ",,,", "t=-5,v1=aa"])
def test_plain_signature_that_is_none(signature: str) -> None:
    with pytest.raises(Unauthentic):
        reading.authenticate("plain", samples.request(b"{}", x_estiva_signature=signature), SECRET)


@pytest.mark.parametrize("kind", ["github", "gitea", "plain"])
def test_the_same_content_under_another_number_has_the_same_proof(kind: str) -> None:
    first, second = (
        reading.authenticate(kind, signed(kind, b"{}", **{f"x_{kind}_delivery": number}), SECRET)
        for number in ("one", "two")
    )
    assert first.proof
    assert first.proof == second.proof


def test_an_odd_delivery_id_is_kept_by_its_hash() -> None:
    push = pushed("github", samples.github(), x_github_delivery="a\x00b" * 400)
    assert push.delivery_id.startswith("hash-")
    assert pushed("github", samples.github(), x_github_delivery="").delivery_id.startswith("body-")


def test_nothing_that_a_database_cannot_hold_comes_out() -> None:
    odd = "nul \x00 half \ud800 "
    push = pushed("github", samples.github(head_commit=samples.commit(message=odd), pusher={"name": odd}))
    kept = json.dumps(push.as_json(), ensure_ascii=False)
    assert "\x00" not in push.message + push.pusher
    assert kept.encode()


def test_a_push_comes_back_from_a_json_column() -> None:
    for push in (pushed("github", samples.github()), pushed("registry", {"events": [samples.registry_event()]})):
        assert Push.from_json(json.loads(json.dumps(push.as_json()))) == push
