"""Server-sent events as bytes."""

import json
from collections.abc import Mapping

RETRY = b"retry: 1000\n\n"
KEEPALIVE = b": still here\n\n"
BYE = b"event: bye\ndata: {}\n\n"


def position(vector: str) -> bytes:
    """Sets the Last-Event-ID without an event of its own."""
    return f"id: {vector}\n\n".encode()


def log(target_id: int, lines: str, vector: str) -> bytes:
    """Lines of a target; `lines` is JSON already."""
    return f'event: log\nid: {vector}\ndata: {{"target":{target_id},"lines":{lines}}}\n\n'.encode()


def changed(kind: str, object_id: int) -> bytes:
    """A row moved: whoever shows it fetches it again."""
    return f'event: changed\ndata: {{"kind":"{kind}","id":{object_id}}}\n\n'.encode()


def usage(values: Mapping[str, object]) -> bytes:
    """What containers take now."""
    return f"event: usage\ndata: {json.dumps(values)}\n\n".encode()


def progress(values: Mapping[str, object]) -> bytes:
    """A step's progress."""
    return f"event: progress\ndata: {json.dumps(values, ensure_ascii=False)}\n\n".encode()
