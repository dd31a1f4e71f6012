"""Several things of a kind, each for itself: what fails for one keeps none of the others from its turn."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from deployments.database import is_away

log = structlog.get_logger(__name__)


@contextmanager
def apart(
    said: str, *through: type[Exception], failures: list[Exception] | None = None, **which: object
) -> Iterator[None]:
    """Do one of them. Its failure is logged as `said` of `which`, and added to `failures`.

    A database that is away, and whatever is of `through`, ends it for all: it is raised.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, through) or is_away(error):
            raise
        log.exception(said, **which)
        if failures is not None:
            failures.append(error)
