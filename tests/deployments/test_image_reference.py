"""Image references: Docker's results, our refusals, and that what we print reads as the same image again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.image_reference import ImageReference, ImageReferenceError, parse

HEX = "86e0e091d0da6bde2456dbb48306f3956bbeb2eae1b5b9a43045843f69fe4aaa"
DIGEST = f"sha256:{HEX}"


# Text → registry, repository, tag. Cases of Docker's own test tables, with the results Docker 28 gives.
NAMES = [
    ("debian", "docker.io", "library/debian", "latest"),
    ("library/debian", "docker.io", "library/debian", "latest"),
    ("docker/docker", "docker.io", "docker/docker", "latest"),
    ("docker.io/debian", "docker.io", "library/debian", "latest"),
    ("docker.io/library/debian", "docker.io", "library/debian", "latest"),
    ("docker.io/docker/docker", "docker.io", "docker/docker", "latest"),
    ("index.docker.io/debian", "docker.io", "library/debian", "latest"),
    ("index.docker.io/docker/docker", "docker.io", "docker/docker", "latest"),
    ("docker.io/library/foo/bar", "docker.io", "library/foo/bar", "latest"),
    ("store/foo/bar", "docker.io", "store/foo/bar", "latest"),
    ("ubuntu-12.04-base", "docker.io", "library/ubuntu-12.04-base", "latest"),
    ("test_com/foo", "docker.io", "test_com/foo", "latest"),
    ("test.com/foo", "test.com", "foo", "latest"),
    ("test.com:8080/foo", "test.com:8080", "foo", "latest"),
    ("test-com:8080/foo", "test-com:8080", "foo", "latest"),
    ("xn--n3h.com:18080/foo", "xn--n3h.com:18080", "foo", "latest"),
    ("b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app", "test.example.com"),
    ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag"),
    ("localhost/debian", "localhost", "debian", "latest"),
    ("localhost/library/debian", "localhost", "library/debian", "latest"),
    ("localhost:5000/app:2", "localhost:5000", "app", "2"),
    ("127.0.0.1:5000/debian", "127.0.0.1:5000", "debian", "latest"),
    ("192.168.1.1/repo", "192.168.1.1", "repo", "latest"),
    ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050"),
    ("test:5000/repo", "test:5000", "repo", "latest"),
    ("[fc00::1]:5000/docker", "[fc00::1]:5000", "docker", "latest"),
    ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", "tag"),
    ("[::1]:5000/repo", "[::1]:5000", "repo", "latest"),
    # A capital letter makes the first part a registry, since no namespace may have one.
    ("Foo/bar", "Foo", "bar", "latest"),
    ("DOCKER/docker", "DOCKER", "docker", "latest"),
    # Without a slash there is no registry, whatever it looks like.
    ("192.168.0.1", "docker.io", "library/192.168.0.1", "latest"),
    ("192.168.0.1:80", "docker.io", "library/192.168.0.1", "80"),
    ("test.com:5000", "docker.io", "library/test.com", "5000"),
    ("foo_bar.com:8080", "docker.io", "library/foo_bar.com", "8080"),
    ("localhost:5000", "docker.io", "library/localhost", "5000"),
    ("lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase"),
    ("docker---rules/docker", "docker.io", "docker---rules/docker", "latest"),
    ("dock__er/docker", "docker.io", "dock__er/docker", "latest"),
    ("d/t", "docker.io", "d/t", "latest"),
    ("z" * 64, "docker.io", "library/" + "z" * 64, "latest"),
    # 64 hex characters are a name once a registry or a tag says so.
    (f"docker.io/{HEX}", "docker.io", f"library/{HEX}", "latest"),
    (f"{HEX}:1", "docker.io", f"library/{HEX}", "1"),
    (HEX[:63], "docker.io", f"library/{HEX[:63]}", "latest"),
    ("a:" + "t" * 128, "docker.io", "library/a", "t" * 128),
    ("a:_x", "docker.io", "library/a", "_x"),
    ("a/" * 127 + "a:tag-puts-this-over-max", "docker.io", "a/" * 127 + "a", "tag-puts-this-over-max"),
]


@pytest.mark.parametrize(("text", "registry", "repository", "tag"), NAMES)
def test_reads_names_as_docker_does(text: str, registry: str, repository: str, tag: str) -> None:
    assert parse(text) == ImageReference(registry, repository, tag, None)


def test_a_digest_stands_without_a_tag() -> None:
    reference = parse(f"test:5000/repo@{DIGEST}")
    assert reference == ImageReference("test:5000", "repo", None, DIGEST)
    assert reference.canonical == reference.familiar == reference.pullable == f"test:5000/repo@{DIGEST}"


def test_a_tag_beside_a_digest_is_kept_but_not_pulled() -> None:
    reference = parse(f"busybox:latest@{DIGEST}")
    assert reference == ImageReference("docker.io", "library/busybox", "latest", DIGEST)
    assert reference.canonical == f"docker.io/library/busybox:latest@{DIGEST}"
    assert reference.familiar == f"busybox:latest@{DIGEST}"
    assert reference.pullable == f"docker.io/library/busybox@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "familiar", "canonical"),
    [
        ("docker.io/library/redis", "redis:latest", "docker.io/library/redis:latest"),
        ("index.docker.io/dmcgowan/myapp:1", "dmcgowan/myapp:1", "docker.io/dmcgowan/myapp:1"),
        ("library/foo/bar", "library/foo/bar:latest", "docker.io/library/foo/bar:latest"),
        ("example.com:8000/privatebase", "example.com:8000/privatebase:latest", "example.com:8000/privatebase:latest"),
        ("Foo/bar", "Foo/bar:latest", "Foo/bar:latest"),
        ("docker.io/ghcr.io/app", "docker.io/ghcr.io/app:latest", "docker.io/ghcr.io/app:latest"),
        ("docker.io/localhost/app", "docker.io/localhost/app:latest", "docker.io/localhost/app:latest"),
    ],
)
def test_familiar_and_canonical_forms(text: str, familiar: str, canonical: str) -> None:
    reference = parse(text)
    assert (reference.familiar, reference.canonical, str(reference)) == (familiar, canonical, canonical)


def test_name_leaves_out_tag_and_digest() -> None:
    assert parse(f"redis:7@{DIGEST}").name == "docker.io/library/redis"


REFUSED = [
    ("", "empty"),
    ("https://github.com/docker/docker", "scheme"),
    ("docker://fedora:latest", "scheme"),
    (" ", "whitespace"),
    ("nginx ", "whitespace"),
    ("nginx\n", "whitespace"),
    ("ngi\u00a0nx", "whitespace"),
    ("nginx\u200b", "whitespace"),
    ("nginx\x00", "whitespace"),
    (HEX, "image_id"),
    (DIGEST, "image_id"),
    ("docker/Docker", "uppercase"),
    ("Nginx", "uppercase"),
    ("Uppercase:tag", "uppercase"),
    ("docker.io/docker/Docker", "uppercase"),
    ("test:5000/Uppercase/lowercase:tag", "uppercase"),
    ("-docker", "name"),
    ("-docker/docker", "name"),
    ("docker-/docker", "name"),
    ("____/____", "name"),
    ("_docker/_docker", "name"),
    ("dock..er/docker", "registry"),
    ("dock_.er/docker", "registry"),
    ("dock-.er/docker", "registry"),
    ("team/dock..er", "name"),
    ("team/dock_.er", "name"),
    ("team/dock___er", "name"),
    ("0.0_0/0", "registry"),
    ("docker///docker", "name"),
    ("docker.io/docker///docker", "name"),
    ("docker/", "name"),
    ("test.com/", "no_name"),
    ("docker.io/", "no_name"),
    (":justtag", "no_name"),
    (f"@{DIGEST}", "no_name"),
    ("/nginx", "name"),
    ("nginx/", "name"),
    ("aa/asdf$$^/aa", "name"),
    ("caf\u00e9", "name"),
    ("-docker.io/docker/docker", "registry"),
    ("[fc00::1]", "name"),
    ("fc00::1:5000/debian", "registry"),
    ("[fe80::1%eth0]:5000/debian", "registry"),
    ("[2001:db8:3:4::192.0.2.33]:5000/debian", "registry"),
    ("test.com:port/app", "registry"),
    ("test.com:/app", "registry"),
    ("nginx:", "tag"),
    ("nginx:-a", "tag"),
    ("nginx:.a", "tag"),
    ("nginx:a:b", "tag"),
    ("nginx:" + "t" * 129, "tag"),
    ("nginx@", "digest"),
    (f"nginx@{HEX}", "digest"),
    (f"nginx@{DIGEST[:-1]}", "digest"),
    (f"nginx@{DIGEST}0", "digest"),
    (f"nginx@sha256:{HEX.upper()}", "digest"),
    (f"nginx@{DIGEST}@{DIGEST}", "digest"),
    (f"nginx@sha512:{HEX}{HEX}", "digest"),
    (f"nginx@md5:{HEX[:32]}", "digest"),
    ("a/" * 128 + "a:tag", "too_long"),
]


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_refuses_and_says_why(text: str, code: str) -> None:
    with pytest.raises(ImageReferenceError) as refusal:
        parse(text)
    assert refusal.value.code == code
    assert str(refusal.value)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("https://ghcr.io/team/app:1", "Write it as ghcr.io/team/app:1."),
        ("team/App", "Write team/app."),
        ("Nginx:1", "Write nginx."),
        (HEX, "team/app@sha256:"),
        ("a b", "remove them"),
    ],
)
def test_a_refusal_says_what_to_write_instead(text: str, advice: str) -> None:
    with pytest.raises(ImageReferenceError) as refusal:
        parse(text)
    assert advice in str(refusal.value)


@pytest.mark.parametrize("text", ["MyTeam/app", "registry.example.com", "localhost:5000", "10.0.0.5:5000"])
def test_doubts_what_is_legal_but_hardly_meant(text: str) -> None:
    doubt = str(parse(text).doubt)
    assert text.partition("/")[0] in doubt


@pytest.mark.parametrize("text", ["nginx", "team/app:1", "localhost/app", "ghcr.io/team/app", "test:5000/app"])
def test_has_no_doubt_about_ordinary_references(text: str) -> None:
    assert parse(text).doubt is None


def test_with_digest_pins_and_keeps_the_tag() -> None:
    pinned = parse("redis:7").with_digest(DIGEST)
    assert pinned == parse(f"redis:7@{DIGEST}")


@pytest.mark.parametrize("digest", ["", HEX, f"sha256:{HEX[1:]}", DIGEST + "\n", DIGEST.upper()])
def test_with_digest_refuses_what_is_no_digest(digest: str) -> None:
    with pytest.raises(ImageReferenceError):
        parse("redis").with_digest(digest)


part = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
domain = st.from_regex(
    r"([a-z0-9]([A-Za-z0-9-]{0,5}[a-z0-9])?\.){0,2}[a-z]{1,5}(:[0-9]{1,5})?|\[[0-9a-f]{0,4}:[0-9a-f:]{1,6}\](:[0-9]{1,5})?|localhost",
    fullmatch=True,
)
optional_domain = st.one_of(st.just(""), st.sampled_from(["docker.io/", "index.docker.io/"]), domain.map("{}/".format))
optional_tag = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True))
optional_digest = st.one_of(st.just(""), st.from_regex(r"@sha256:[0-9a-f]{64}", fullmatch=True))


def has_a_readable_first_part(text: str) -> bool:
    """With a dot the first part is a registry, and no registry has an underscore: `a.b_c/d` is refused."""
    first, slash, _rest = text.partition("/")
    return not (slash and "." in first and "_" in first)


references = st.builds(
    "{}{}{}{}".format,
    optional_domain,
    st.lists(part, min_size=1, max_size=3).map("/".join),
    optional_tag,
    optional_digest,
).filter(has_a_readable_first_part)


@given(references)
def test_every_printed_form_reads_as_the_same_image(text: str) -> None:
    reference = parse(text)
    assert parse(reference.canonical) == reference
    assert parse(reference.familiar) == reference
    assert parse(reference.pullable).name == reference.name


@given(references)
def test_nothing_written_is_lost(text: str) -> None:
    written = text.removeprefix("index.").removeprefix("docker.io/")
    has_tag_or_digest = "@" in text or ":" in text.rpartition("/")[2]
    assert parse(text).canonical.endswith(written if has_tag_or_digest else f"{written}:latest")


@given(st.text(alphabet=st.sampled_from("aZ0.:/@-_ []\n%é"), max_size=20) | st.text(max_size=20))
def test_any_text_is_either_read_or_refused_with_words(text: str) -> None:
    try:
        reference = parse(text)
    except ImageReferenceError as refusal:
        outcome = str(refusal)
    else:
        outcome = parse(reference.canonical).canonical
    assert outcome
