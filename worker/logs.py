"""The secrets that are open in this process right now: every line of our own log is masked with them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from worker.redact import Masker


class OpenSecrets:
    """The maskers of what runs now. Any thread's line passes all of them: an error may show up far from its cause."""

    def __init__(self) -> None:
        self._maskers: dict[int, Masker] = {}
        self._lock = threading.Lock()

    @contextmanager
    def using(self, masker: Masker) -> Iterator[None]:
        """Mask with this one as well, for as long as its secrets are open."""
        with self._lock:
            self._maskers[id(masker)] = masker
        try:
            yield
        finally:
            with self._lock:
                self._maskers.pop(id(masker), None)

    def mask(self, text: str) -> str:
        """The text without any secret that is open now."""
        with self._lock:
            maskers = list(self._maskers.values())
        for masker in maskers:
            text = masker.mask(text)
        return text


open_secrets = OpenSecrets()
"""The one of this process."""
