"""Long texts sent piece by piece: read in a thread of their own so that the event loop never waits for the database.

Between two pieces the connection is given back: a browser may take an hour, and a process has only so many.
"""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import StreamingHttpResponse


def streamed_text(pieces: Iterator[str], *, content_type: str, file_name: str) -> StreamingHttpResponse:
    """A download of these pieces; memory holds one at a time."""
    response = StreamingHttpResponse(_async_pieces(pieces), content_type=f"{content_type}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response.headers["Cache-Control"] = "no-store, private"
    return response


async def _async_pieces(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    def read() -> str | None:
        try:
            return next(pieces, None)
        finally:
            close_old_connections()

    following = sync_to_async(read, thread_sensitive=True)
    while (piece := await following()) is not None:
        yield piece.encode()
