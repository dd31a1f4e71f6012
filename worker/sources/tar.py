"""The few pieces of a tar archive that a context needs."""

import tarfile
from typing import Literal

END = bytes(2 * tarfile.BLOCKSIZE)
_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


def header(
    path: str,
    kind: Literal["file", "folder", "link"],
    size: int,
    moment: int,
    *,
    executable: bool = False,
    target: bytes = b"",
) -> bytes:
    """An entry's header. GNU's form takes names of any bytes as they are, which PAX does not."""
    info = tarfile.TarInfo(path)
    info.type, info.size, info.mtime = _TYPES[kind], size, moment
    info.mode = 0o777 if kind == "link" else 0o755 if executable or kind == "folder" else 0o644
    info.linkname = target.decode(errors="surrogateescape")
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """What fills a content of this size up to whole blocks."""
    return bytes(-size % tarfile.BLOCKSIZE)
