"""Addresses of repositories: what people paste, and what would run a program or read the worker's own files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import git_url
from deployments.git_url import GitUrlError, check_url, parse


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://github.com/team/app", "https://github.com/team/app"),
        ("  https://github.com/team/app.git ", "https://github.com/team/app.git"),
        ("HTTPS://GitHub.com/Team/App.git/", "https://github.com/Team/App.git"),
        ("https://git.example.com:443/app.git", "https://git.example.com/app.git"),
        ("https://git.example.com:8443/app.git", "https://git.example.com:8443/app.git"),
        ("https://10.0.0.5/app", "https://10.0.0.5/app"),
        ("https://[FD00::5]:3000/app", "https://[fd00::5]:3000/app"),
        ("https://dev.azure.com/team/My%20Project/_git/app", "https://dev.azure.com/team/My%20Project/_git/app"),
        ("http://git.internal:3000/team/app", "http://git.internal:3000/team/app"),
        ("ssh://git@github.com/team/app.git", "ssh://git@github.com/team/app.git"),
        ("ssh://github.com/team/app.git", "ssh://git@github.com/team/app.git"),
        ("ssh://git@git.example.com:22/app", "ssh://git@git.example.com/app"),
        ("ssh://git@git.example.com:2222/~ada/app", "ssh://git@git.example.com:2222/~ada/app"),
        ("git@github.com:team/app.git", "ssh://git@github.com/team/app.git"),
        ("git@github.com:/team/app.git", "ssh://git@github.com/team/app.git"),
        ("host.example.com:team/app.git", "ssh://git@host.example.com/team/app.git"),
        ("git@[fd00::5]:team/app.git", "ssh://git@[fd00::5]/team/app.git"),
    ],
)
def test_what_people_paste(written: str, canonical: str) -> None:
    assert check_url(written) == canonical
    assert check_url(canonical) == canonical


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "empty"),
        ("ext::sh -c touch% canary", "whitespace"),
        ("ext::sh", "helper"),
        ("ext::ssh://host/app", "helper"),
        ("fd::17", "helper"),
        ("::app", "helper"),
        ("file:///etc", "file"),
        ("/srv/git/app.git", "file"),
        ("./app", "file"),
        ("../app", "file"),
        ("~/app", "file"),
        ("C:\\app", "file"),
        ("\\\\server\\app", "file"),
        ("git://host/app", "scheme"),
        ("ftp://host/app", "scheme"),
        ("javascript://host/app", "scheme"),
        ("-oProxyCommand=touch", "option"),
        ("--upload-pack=touch", "option"),
        ("https://ada:secret@host/app", "credential"),
        ("https://ghp_token@host/app", "credential"),
        ("https://@host/app", "credential"),
        ("ssh://git:secret@host/app", "credential"),
        ("ssh://-oProxyCommand=touch/app", "host"),
        ("ssh://git@-oProxyCommand=touch/app", "host"),
        ("ssh://-l@host/app", "user"),
        ("-l@host:app", "option"),
        ("a$(touch)@host:app", "user"),
        ("ssh://$(touch)@host/app", "user"),
        ("https://ho$st/app", "host"),
        ("https://host;touch/app", "host"),
        ("https:///app", "host"),
        ("https://host:0/app", "port"),
        ("https://host:99999/app", "port"),
        ("https://host:22a/app", "port"),
        ("https://host", "path"),
        ("https://host/", "path"),
        ("https://host/a/../b", "path"),
        ("https://host/a//b", "path"),
        ("https://host/-app", "path"),
        ("git@host:-app", "path"),
        ("git@host:--upload-pack=touch", "path"),
        ("https://host/app;touch", "path"),
        ("https://host/$(touch)", "path"),
        ("https://host/`touch`", "path"),
        ("https://host/a%0ab", "path"),
        ("https://host/a%zz", "path"),
        ("https://host/app?x=1", "page"),
        ("https://host/app#readme", "page"),
        ("https://github.com/team/app/tree/main", "page"),
        ("https://gitlab.com/team/app/-/tree/main/x", "page"),
        ("github.com/team/app", "no_scheme"),
        ("host:3000/app", "no_scheme"),
        ("app", "no_scheme"),
        ("https://host/a\nb", "whitespace"),
        ("https://host/a\x00b", "whitespace"),
        ("https://host/a\u202eb", "whitespace"),
        ("https://host/app\n", "whitespace"),
        ("https://höst/app", "host"),
        ("https://host/" + "a" * 500, "length"),
    ],
)  # fmt: skip
def test_what_is_refused(written: str, code: str) -> None:
    with pytest.raises(GitUrlError) as refusal:
        parse(written)
    assert refusal.value.code == code
    assert len(str(refusal.value)) > 20, "it says what to do instead"


def test_a_message_never_repeats_a_password() -> None:
    with pytest.raises(ValueError) as refusal:
        check_url("https://ada:correct-horse@host/app")
    assert "correct-horse" not in str(refusal.value)


@given(st.text(max_size=60))
def test_whatever_is_taken_is_no_option_and_stays_as_it_is(text: str) -> None:
    try:
        url = parse(text)
    except GitUrlError:
        return
    _harmless(url)


@given(
    st.sampled_from(["https://", "ssh://", "http://", "git@", ""]),
    st.text("ab.-:/@$;%~ \n[]\\'\"", max_size=30),
)
def test_the_same_of_texts_that_look_like_addresses(begin: str, text: str) -> None:
    try:
        url = parse(begin + text)
    except GitUrlError:
        return
    _harmless(url)


def _harmless(url: git_url.GitUrl) -> None:
    assert parse(url.text) == url
    assert url.text.startswith(("https://", "http://", "ssh://"))
    assert not {url.user[:1], url.host[:1]} & {"-"}
    assert "/-" not in url.path
    assert url.text.isprintable()
    assert not set(url.text) & set(" ;$`'\"\\<>|&(){}")


@pytest.mark.parametrize(
    ("written", "repository", "commit"),
    [
        ("git@github.com:team/app.git", "https://github.com/team/app", "https://github.com/team/app/commit/abc"),
        ("https://gitlab.example.com:8443/a/b", "https://gitlab.example.com:8443/a/b", "https://gitlab.example.com:8443/a/b/-/commit/abc"),
        ("https://bitbucket.org/t/a.git", "https://bitbucket.org/t/a", "https://bitbucket.org/t/a/commits/abc"),
        ("ssh://git@git.example.com:2222/t/a", "https://git.example.com/t/a", "https://git.example.com/t/a/commit/abc"),
    ],
)  # fmt: skip
def test_pages(written: str, repository: str, commit: str) -> None:
    assert parse(written).web_address() == repository
    assert parse(written).web_address("abc") == commit


def test_the_parts_that_others_need() -> None:
    url = parse("ssh://ada@[FD00::5]:2222/team/shop.git")
    assert (url.user, url.bare_host, url.real_port, url.name, url.origin) == (
        "ada",
        "fd00::5",
        2222,
        "shop",
        "ssh://[fd00::5]:2222",
    )
    assert parse("https://host/app").real_port == 443


def test_only_plain_http_is_warned_of() -> None:
    assert "not encrypted" in str(parse("http://host/app").warning)
    assert parse("https://host/app").warning is None
    assert parse("git@host:app").warning is None
