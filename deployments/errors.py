"""What the domain refuses, in words for the person who asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class Refused(Exception):
    """The domain says no: what, and what to do. `field` names the form field it belongs to, None for the whole."""

    def __init__(self, message: "str | StrPromise", field: str | None = None, remedy: "str | StrPromise" = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class FieldErrors(Refused):
    """Several refusals, each at its field: dotted paths such as `ports.0.host_port`, to sentences."""

    def __init__(self, errors: "Mapping[str, list[str | StrPromise]]") -> None:
        self.errors = {field: list(messages) for field, messages in errors.items()}
        super().__init__(" ".join(f"{field}: {' '.join(map(str, each))}" for field, each in self.errors.items()))


class PlanChanged(Refused):
    """Settings changed after the Plan was shown; nothing was saved. `changes` says what, as `differences` does."""

    def __init__(self, message: "str | StrPromise", changes: list[dict[str, str]]) -> None:
        super().__init__(message)
        self.changes = changes
