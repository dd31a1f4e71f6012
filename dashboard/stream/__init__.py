"""GET /events: the live stream, raw ASGI in front of Django.

One `XREAD` per process (`follower`) fills short rings and wakes the viewers (`hub`); each viewer reads from its own cursor (`viewer`),
and what the rings don't hold comes from the database (`reads`). Nothing is queued for anybody, so a slow viewer costs no memory.
"""

from dashboard.stream.endpoint import PATH, close, open_streams, serve

__all__ = ["PATH", "close", "open_streams", "serve"]
