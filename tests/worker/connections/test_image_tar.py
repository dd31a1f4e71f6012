"""What an engine saved is understood as it streams by, and what is made of it names all layers and carries the wanted ones."""

import io
import json
import tarfile
from collections.abc import Callable

import pytest

from tests.worker.connections import archives
from tests.worker.connections.archives import CONFIG, DIFF_IDS, FOLDERS, IMAGE_ID, LAYERS
from worker.connections.image_tar import (
    LayerBegins,
    SavedImage,
    UnknownArchive,
    closing,
    layer_end,
    layer_head,
    opening,
    shared_layers,
)
from worker.connections.layer_names import LayerNames

BIG = 9 << 30  # bytes: more than a plain tar header can say


def layers_of(archive: bytes, step: int = 1 << 16) -> tuple[SavedImage, dict[str, bytes]]:
    """Feed it in pieces; the layers that came out."""
    saved, found, current = SavedImage(IMAGE_ID, DIFF_IDS), dict[str, bytearray](), bytearray()
    for at in range(0, len(archive), step):
        for part in saved.feed(archive[at : at + step]):
            if isinstance(part, LayerBegins):
                current = found[part.diff_id] = bytearray()
            else:
                current += part
    return saved, {name: bytes(content) for name, content in found.items()}


@pytest.mark.parametrize("step", [1, 511, 512, 513, 4096, 1 << 20])
@pytest.mark.parametrize("write", [archives.old, archives.new])
def test_every_layer_and_the_configuration_come_out_whole(write: Callable[[], bytes], step: int) -> None:
    saved, found = layers_of(write(), step)
    assert found == dict(zip(DIFF_IDS, LAYERS, strict=True))
    assert saved.complete == set(DIFF_IDS)
    assert saved.config == CONFIG


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_any_dialect_of_tar(kind: int) -> None:
    assert layers_of(archives.new(kind))[1] == dict(zip(DIFF_IDS, LAYERS, strict=True))


def test_a_layer_is_known_before_its_bytes_come() -> None:
    saved = SavedImage(IMAGE_ID, DIFF_IDS)
    begun = [part for part in saved.feed(archives.old()) if isinstance(part, LayerBegins)]
    assert [each.diff_id for each in begun] == [DIFF_IDS[0], DIFF_IDS[1], DIFF_IDS[3]]
    assert [each.size for each in begun] == [len(LAYERS[0]), len(LAYERS[1]), len(LAYERS[3])]


def test_a_layer_larger_than_a_header_can_say() -> None:
    head = layer_head(DIFF_IDS[3], BIG)
    saved = SavedImage(IMAGE_ID, DIFF_IDS)
    assert list(saved.feed(head)) == [LayerBegins(DIFF_IDS[3], BIG)]
    entry = tarfile.TarInfo(f"blobs/sha256/{DIFF_IDS[1][7:]}")
    entry.size = BIG
    told = entry.tobuf(tarfile.PAX_FORMAT)
    assert list(SavedImage(IMAGE_ID, DIFF_IDS).feed(told)) == [LayerBegins(DIFF_IDS[1], BIG)]


def test_a_name_that_comes_in_a_header_of_its_own() -> None:
    records = f"{len(DIFF_IDS[1][7:]) + 22 + len('path=')} path=blobs/sha256/{DIFF_IDS[1][7:]}\n"
    records = f"{len(records)} {records.partition(' ')[2]}"
    extended = tarfile.TarInfo("PaxHeaders/x")
    extended.type, extended.size = tarfile.XHDTYPE, len(records)
    entry = tarfile.TarInfo("blobs/sha256/cut")
    entry.size = 3
    raw = extended.tobuf(tarfile.USTAR_FORMAT) + records.encode().ljust(512, b"\0") + entry.tobuf(tarfile.USTAR_FORMAT)
    first, *data = SavedImage(IMAGE_ID, DIFF_IDS).feed(raw + b"abc")
    assert first == LayerBegins(DIFF_IDS[1], 3)
    assert [bytes(each) for each in data if not isinstance(each, LayerBegins)] == [b"abc"]


def test_the_names_of_a_builder_in_another_time_zone() -> None:
    """20.10 writes the beginning of 1970 in the builder's own time, which changes all names."""
    names = LayerNames(DIFF_IDS)
    said = {"created": "1970-01-01T01:00:00+01:00", "container_config": archives.CONTAINER, "os": "linux"}
    with pytest.raises(UnknownArchive):
        names.learn(f"{FOLDERS[0]}/json", json.dumps({"id": FOLDERS[0], **said}).encode())


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"<html>" + bytes(600), "not a tar archive"),
        (archives.tar([(f"{FOLDERS[1]}/layer.tar", b"x")]), "without a word on which layer"),
        (archives.tar([(f"{'0' * 64}/json", b"[]")]), "not what an engine writes"),
        (archives.tar([(f"{IMAGE_ID[7:]}.json", b"{}")]), "not the configuration"),
        (
            archives.tar(
                [(f"{each * 64}/json", json.dumps({"id": each, "parent": FOLDERS[2]}).encode()) for each in "ab"]
            ),
            "belongs to no layer",
        ),
        (archives.tar([(f"{'a' * 64}/json", b'{"id": "a"}')]), "not the image's top layer"),
    ],
)
def test_what_no_engine_wrote_is_refused(archive: bytes, words: str) -> None:
    with pytest.raises(UnknownArchive, match=words):
        layers_of(archive)


def test_an_archive_that_breaks_off_is_not_complete() -> None:
    archive = archives.new()
    saved, _ = layers_of(archive[: len(archive) // 3])
    assert saved.complete < set(DIFF_IDS)


def test_what_is_sent_names_all_layers_and_carries_those_that_are_wanted() -> None:
    layer = LAYERS[3]
    carried = layer_head(DIFF_IDS[3], len(layer)) + layer + layer_end(len(layer))
    sent = opening(IMAGE_ID, DIFF_IDS) + carried + closing(IMAGE_ID, CONFIG)
    with tarfile.open(fileobj=io.BytesIO(sent)) as archive:
        content = {each.name: archive.extractfile(each) for each in archive}
        read = {name: file.read() for name, file in content.items() if file is not None}
    (about,) = json.loads(read.pop("manifest.json"))
    assert about["RepoTags"] is None
    assert len(about["Layers"]) == len(DIFF_IDS)
    assert read.pop(about["Config"]) == CONFIG
    assert read == {about["Layers"][3]: layer}


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], 0),
        ([DIFF_IDS], 4),
        ([DIFF_IDS[:2]], 2),
        ([(*DIFF_IDS[:3], "sha256:else", DIFF_IDS[3])], 3),
        ([DIFF_IDS[1:]], 0),  # the same layers on another ground are other layers
        ([DIFF_IDS[:1], ("sha256:else",), DIFF_IDS[:3]], 3),
    ],
)
def test_layers_count_from_the_bottom_up(others: list[tuple[str, ...]], expected: int) -> None:
    assert shared_layers(DIFF_IDS, others) == expected


def test_a_member_with_a_size_below_zero_is_refused() -> None:
    """In base 256 a header can say so; it would be skipped for ever."""
    head = bytearray(layer_head(DIFF_IDS[0], 1))
    head[124:136] = (-5).to_bytes(12, "big", signed=True)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    with pytest.raises(UnknownArchive, match="below zero"):
        list(SavedImage(IMAGE_ID, DIFF_IDS).feed(bytes(head)))
