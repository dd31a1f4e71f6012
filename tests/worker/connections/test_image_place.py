"""Between the reader of an image and one of its receivers: nothing is lost, nothing is doubled, and an error is no end."""

import threading

import pytest

from worker.connections import image_place
from worker.connections.image_place import LeftBehind, Place


def taken(place: Place) -> bytes:
    """Everything, as the receiver sees it."""
    got = bytearray()
    while not place.over:
        for piece in place.take():
            got += piece
    return bytes(got)


def test_every_piece_arrives_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_place, "_ROOM", 100)
    place, pieces = Place(), [bytes([number % 256]) * 30 for number in range(500)]

    def offer() -> None:
        for piece in pieces:
            while not place.offer(piece):
                pass
        place.end()

    reader = threading.Thread(target=offer)
    reader.start()
    assert taken(place) == b"".join(pieces)
    reader.join()


def test_a_full_place_takes_no_more_until_something_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_place, "_ROOM", 10)
    place = Place()
    assert place.offer(b"x" * 10)
    assert not place.offer(b"y")
    assert place.take() == [b"x" * 10]
    assert place.offer(b"y")


def test_what_went_wrong_comes_after_the_last_piece_and_is_never_taken_for_the_end() -> None:
    place = Place()
    place.offer(b"first")
    place.end(LeftBehind())
    place.end()  # the read itself goes on to a good end
    assert place.take() == [b"first"]
    assert not place.over
    with pytest.raises(LeftBehind):
        place.take()


def test_who_left_is_waited_for_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_place, "_ROOM", 1)
    place = Place()
    assert place.offer(b"full")
    place.leave()
    assert place.offer(b"more")
    assert place.await_declaration(until=0.0)


def test_a_declaration_is_waited_for_until_its_time() -> None:
    place = Place()
    assert not place.await_declaration(until=0.0)
    place.declare(frozenset({"sha256:a"}))
    assert place.await_declaration(until=0.0)
