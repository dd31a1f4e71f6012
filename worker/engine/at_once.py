"""Calls that don't depend on each other, in the time of the longest: a server that is far away answers each of them late."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from worker.engine.container_host import ContainerHost

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")


@overload
def at_once(host: ContainerHost, one: Callable[[], _A], two: Callable[[], _B], /) -> tuple[_A, _B]: ...
@overload
def at_once(
    host: ContainerHost, one: Callable[[], _A], two: Callable[[], _B], three: Callable[[], _C], /
) -> tuple[_A, _B, _C]: ...
@overload
def at_once(
    host: ContainerHost,
    one: Callable[[], _A],
    two: Callable[[], _B],
    three: Callable[[], _C],
    four: Callable[[], _D],
    /,
) -> tuple[_A, _B, _C, _D]: ...


def at_once(host: ContainerHost, *calls: Callable[[], Any]) -> tuple[Any, ...]:
    """Their answers, in their order. Where one raises, so does this, as soon as all have ended."""
    return tuple(host.together(calls))
