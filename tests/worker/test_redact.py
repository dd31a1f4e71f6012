"""Masking: no form of a secret survives, in one text or in chunks, and nothing else is touched."""

import json
import random
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.redact import MARK, Masker, forms_of, too_short

SECRET = "p@ss/w\u00f6rd+\"7'?>"
KEY = "-----BEGIN KEY-----\nMIIEvgIBADANBgkq\n  hkiG9w0BAQ\nabc==\n-----END KEY-----\n"


def in_chunks(masker: Masker, text: str, cuts: list[int]) -> str:
    stream = masker.stream()
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = [stream.feed(text[start:end]) for start, end in pairwise(edges)]
    return "".join(pieces) + stream.flush()


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="")
        .replace("%2F", "%2f")
        .replace("%3E", "%3e")
        .replace("%C3%B6", "%c3%b6")
        .replace("%2B", "%2b")
        .replace("%3F", "%3f"),
        quote(SECRET, safe="!'()*"),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(SECRET))[3:-3],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        json.dumps(SECRET)[1:-1].replace("00f6", "00F6"),
        json.dumps(SECRET)[1:-1].replace(">", "\\u003e"),
        repr(SECRET)[1:-1],
        b64encode(SECRET.encode()).decode(),
        b64encode(SECRET.encode()).decode().rstrip("="),
        urlsafe_b64encode(SECRET.encode()).decode(),
        quote(b64encode(SECRET.encode()).decode(), safe=""),
    ],
)
def test_masks_every_form_whole(form: str) -> None:
    assert Masker([SECRET]).mask(f"a {form} z") == f"a {MARK} z"


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_masks_base64_at_any_alignment(before: str, after: str, encode: Callable[[bytes], bytes]) -> None:
    encoded = encode((before + SECRET + after).encode()).decode()
    masked = Masker([SECRET]).mask(encoded)
    shown = masked.replace(MARK, "").rstrip("=")
    # At most one character at each end is shared with a neighbour.
    assert MARK in masked
    assert len(shown) * 6 <= (len(before) + len(after)) * 8 + 2 * 6
    if not before and not after:
        assert masked == MARK


def test_masks_overlapping_secrets_as_one_stretch() -> None:
    masker = Masker(["secretAB", "ABtoken1", "n1-tail-x"])
    assert masker.mask("<secretABtoken1-tail-x>") == f"<{MARK}>"
    assert masker.mask("<secretABsecretAB>") == f"<{MARK}{MARK}>"


def test_the_longer_of_two_secrets_wins() -> None:
    masker = Masker(["hunter", "hunter2hunter2"])
    assert masker.mask("hunter2hunter2 hunter3") == f"{MARK} {MARK}3"


def test_each_line_of_a_secret_is_a_secret_and_lines_stay_lines() -> None:
    masker = Masker([KEY])
    assert masker.mask("x MIIEvgIBADANBgkq y\n  - hkiG9w0BAQ\n") == f"x {MARK} y\n  - {MARK}\n"
    assert masker.mask(f"key:\n{KEY}end") == f"key:\n{MARK}\n{MARK}\n{MARK}\n{MARK}\n{MARK}\n{MARK}end"
    # Without its neighbours a short line can't be told from ordinary text.
    assert masker.mask("abc==") == "abc=="


def test_masks_a_secret_of_several_lines_in_its_encodings() -> None:
    masker = Masker([KEY])
    for encoded in (b64encode(KEY.encode()).decode(), KEY.encode().hex(), json.dumps(KEY)[1:-1], quote(KEY, safe="")):
        assert masker.mask(f"<{encoded}>") == f"<{MARK}>"


def test_masks_lines_that_arrive_with_carriage_returns() -> None:
    masked = Masker([KEY.replace("\n", "\r\n")]).mask(KEY)
    assert masked == f"{MARK}\n{MARK}\n  {MARK}\nabc==\n{MARK}\n"


@pytest.mark.parametrize(
    ("value", "short"), [("", True), ("12345", True), ("ö€😀ab", True), ("      ", True), ("123456", False)]
)
def test_nothing_under_six_characters_is_masked(value: str, short: bool) -> None:
    text = f"{value} is {value}, as {json.dumps(value)}"
    assert too_short(value) is short
    assert (Masker([value]).mask(text) == text) is short


def test_without_secrets_everything_passes_at_once() -> None:
    masker = Masker([])
    assert (masker.mask("text"), masker.feed("text"), masker.flush()) == ("text", "text", "")


def test_holds_back_only_what_could_become_a_secret() -> None:
    stream = Masker(["topsecret"]).stream()
    assert stream.feed("line one\nto") == "line one\n"
    assert stream.feed("p of the world, tops") == "top of the world, "
    assert stream.feed("ecret!") == f"{MARK}!"
    assert stream.feed("the end: topsec") == "the end: "
    assert stream.flush() == "topsec"
    assert stream.flush() == ""


def test_a_finished_line_is_never_held_back() -> None:
    stream = Masker(["topsecret"]).stream()
    assert stream.feed("topsecret\n") == f"{MARK}\n"


def test_streams_of_one_masker_do_not_mix() -> None:
    masker = Masker(["topsecret"])
    out, err = masker.stream(), masker.stream()
    assert out.feed("topse") + err.feed("cret ") + out.feed("cret ") == f"cret {MARK} "


def test_the_maskers_own_stream_masks_across_chunks() -> None:
    masker = Masker(["topsecret"])
    assert [masker.feed("a topse"), masker.feed("cret z"), masker.flush()] == ["a ", f"{MARK} z", ""]


def test_an_endless_stretch_holds_back_no_more_than_a_form() -> None:
    stream = Masker(["aaaaaaaa"]).stream()
    assert "".join(stream.feed("aaa") for _ in range(1000)) + stream.feed("b") == f"{MARK}b"


secrets = st.text(alphabet=string.ascii_letters + string.digits + "+/=&<>\"'\\ ~*é€😀\n", min_size=6, max_size=40)
few_secrets = st.lists(secrets, min_size=1, max_size=3)
# Few letters, so that overlaps, prefixes and borders happen all the time.
tangled = st.lists(st.text(alphabet="ab\n", min_size=6, max_size=10), min_size=1, max_size=4)
tangled_text = st.text(alphabet="ab\n", max_size=80)
cuts = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)


@st.composite
def leaking_texts(draw: st.DrawFn) -> tuple[list[str], str]:
    """Secrets, and a text that holds forms of them at random places."""
    chosen = draw(few_secrets)
    every_form = sorted(set().union(*(forms_of(secret) for secret in chosen)))
    assume(every_form)
    filler = st.text(alphabet="xyz \n.", max_size=6)
    pieces = draw(st.lists(st.sampled_from(every_form) | filler, min_size=1, max_size=12))
    return chosen, "".join(pieces)


@given(leaking_texts(), cuts)
def test_no_form_survives_any_chunking(case: tuple[list[str], str], at: list[int]) -> None:
    chosen, text = case
    masked = in_chunks(Masker(chosen), text, at)
    without_marks = masked.replace(MARK, "\x00")
    assert [form for secret in chosen for form in forms_of(secret) if form in without_marks] == []


@given(leaking_texts(), cuts)
def test_chunks_give_what_the_whole_gives(case: tuple[list[str], str], at: list[int]) -> None:
    chosen, text = case
    masker = Masker(chosen)
    assert in_chunks(masker, text, at) == masker.mask(text)


@given(tangled, tangled_text, cuts)
def test_chunks_give_what_the_whole_gives_for_tangled_secrets(chosen: list[str], text: str, at: list[int]) -> None:
    masker = Masker(chosen)
    assert in_chunks(masker, text, at) == masker.mask(text)


@given(tangled, tangled_text)
def test_exactly_the_characters_of_forms_are_masked(chosen: list[str], text: str) -> None:
    hidden = [False] * len(text)
    for form in set().union(*(forms_of(secret) for secret in chosen)):
        for start in range(len(text)):
            if text.startswith(form, start):
                hidden[start : start + len(form)] = [True] * len(form)
    seen = [index for span in Masker(chosen).spans(text) for index in range(*span)]
    assert seen == [index for index, is_hidden in enumerate(hidden) if is_hidden]


@given(few_secrets, st.text(), cuts)
def test_text_without_secrets_is_unchanged(chosen: list[str], text: str, at: list[int]) -> None:
    assume(not any(form in text for secret in chosen for form in forms_of(secret)))
    masker = Masker(chosen)
    assert masker.mask(text) == text
    assert in_chunks(masker, text, at) == text


@given(leaking_texts())
def test_masking_keeps_the_number_of_lines(case: tuple[list[str], str]) -> None:
    chosen, text = case
    assert Masker(chosen).mask(text).count("\n") == text.count("\n")


@given(secrets.filter(lambda value: not too_short(value)), st.binary(max_size=9), st.binary(max_size=9))
def test_base64_of_anything_around_a_secret_is_masked(secret: str, before: bytes, after: bytes) -> None:
    data = secret.encode()
    encoded = b64encode(before + data + after).decode()
    first, last = -(-len(before) * 8 // 6), (len(before) + len(data)) * 8 // 6
    masked = {index for span in Masker([secret]).spans(encoded) for index in range(*span)}
    assert set(range(first, last)) <= masked


@given(st.text(alphabet=st.characters(), min_size=6))
def test_takes_any_text_as_a_secret(secret: str) -> None:
    hidden = list(Masker([secret]).spans(f"({secret})"))
    assert bool(hidden) is not too_short(secret)


def test_many_secrets_leave_an_ordinary_log_alone() -> None:
    chance = random.Random(7)
    masker = Masker("".join(chance.choices(string.printable[:90], k=32)) for _ in range(50))
    lines = ["".join(chance.choices(string.ascii_letters + " .:/-", k=100)) + "\n" for _ in range(2000)]
    stream = masker.stream()
    assert "".join(map(stream.feed, lines)) == "".join(lines)


def typed(masker: Masker, text: str, most: int = 3) -> list[str]:
    """What a person sees who types so slowly that each character is let go where that may be."""
    stream = masker.stream()
    return [stream.feed(character) + stream.let_go(most) for character in text] + [stream.flush()]


def test_who_types_sees_their_letters_at_once() -> None:
    masker = Masker(["horse-battery"])
    assert typed(masker, "ho ho!") == ["h", "o", " ", "h", "o", "!", ""]
    assert typed(masker, "horse!") == ["h", "o", "r", "", "", "se!", ""]


def test_a_secret_that_is_typed_is_masked_but_for_its_first_letters() -> None:
    masker = Masker(["horse-battery"])
    assert "".join(typed(masker, "a horse-battery z")) == f"a hor{MARK} z"


@given(st.text("ab", max_size=40))
def test_letting_go_loses_and_doubles_nothing(text: str) -> None:
    masker = Masker(["abaabbab"])
    assert "".join(typed(masker, text)).replace(MARK, "") == text or "abaabbab" in text
    assert "abaabbab" not in "".join(typed(masker, text))
