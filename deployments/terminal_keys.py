"""What is typed into a terminal, on its way from a browser to the worker that holds it: a short Redis stream, never a record.

Each entry is numbered by the browser's tab and sealed for the worker: a password that is typed is read by nobody in between, nor
from Redis' own files. Terminal, tab and number are sealed with it: an entry that Redis holds twice, or for another terminal, is
typed once, or not at all. The worker opens the stream, takes each entry out as it passes it on, and removes the stream at the end.
"""

import base64
import json
import logging
from typing import Final, NamedTuple

import redis

from deployments import queue
from deployments.sealing import CannotOpen, Sealed, open_sealed, seal

log = logging.getLogger(__name__)

MOST_CHARACTERS: Final = 16_384
"""In one entry: a paste comes in several."""

MOST_WAITING: Final = 64
KEPT_SECONDS: Final = 60
TAKE_SECONDS: Final = 1.0
MOST_TAB: Final = 36
_FIRST: Final = "0-0"
_TRIES: Final = 5


class Keys(NamedTuple):
    """What was typed, and the terminal's new size in columns and rows where it changed."""

    text: str
    size: tuple[int, int] | None = None


class _Entry(NamedTuple):
    terminal: int
    tab: str
    number: int
    text: str
    size: tuple[int, int] | None


class Answer(NamedTuple):
    """What became of an entry: `taken`, or the number that is expected next. Neither: nobody takes any (yet, or any more)."""

    taken: bool
    expected: int | None = None


def put(terminal_id: int, tab: str, number: int, keys: Keys) -> Answer:
    """Put entry `number` of a browser's tab (from 1, each once) behind the others. One that came before counts as taken."""
    name, client = _name(terminal_id), queue.connection()
    try:
        if not client.exists(name):
            return Answer(taken=False)
        for _ in range(_TRIES):
            with client.pipeline(transaction=True) as pipe:
                pipe.watch(_tabs(name))
                last = int(pipe.hget(_tabs(name), tab) or 0)  # type: ignore[arg-type] # watching, it answers at once
                if number <= last:
                    return Answer(taken=True)
                if number > last + 1 or client.xlen(name) >= MOST_WAITING:
                    return Answer(taken=False, expected=last + 1)
                pipe.multi()
                pipe.xadd(name, {"sealed": _sealed(_Entry(terminal_id, tab, number, *keys))}, nomkstream=True)
                pipe.hset(_tabs(name), tab, str(number))
                pipe.expire(_tabs(name), KEPT_SECONDS)
                try:
                    return Answer(taken=pipe.execute()[0] is not None)
                except redis.WatchError:
                    continue  # the same entry was sent twice at once, or two tabs type: look again
    except (redis.RedisError, OSError) as error:
        log.warning("keys not sent", extra={"terminal": terminal_id, "error": str(error)})
    return Answer(taken=False)


def open_for(terminal_id: int) -> bool:
    """Keys are taken from now on; False when Redis can't be reached."""
    name = _name(terminal_id)
    try:
        with queue.connection().pipeline(transaction=True) as pipe:
            pipe.delete(name, _tabs(name))
            pipe.xadd(name, {"begin": "1"}, id="0-1")
            pipe.xdel(name, "0-1")
            pipe.expire(name, KEPT_SECONDS)
            pipe.execute()
    except (redis.RedisError, OSError) as error:
        log.warning("a terminal's keys can't be taken", extra={"terminal": terminal_id, "error": str(error)})
        return False
    return True


def take(terminal_id: int, passed_on: dict[str, int]) -> list[Keys]:
    """The next entries, in order; waits up to `TAKE_SECONDS` for one. `passed_on` is the newest number of each tab, kept up to date.

    RedisError or OSError without it; LookupError where it has lost the stream, or something that was typed.
    """
    name, client = _name(terminal_id), queue.connection()
    found = client.xread({name: _FIRST}, count=MOST_WAITING, block=int(TAKE_SECONDS * 1000))
    entries = found[0][1] if found else []
    try:
        with client.pipeline(transaction=True) as pipe:
            if entries:
                pipe.xdel(name, *(each for each, _values in entries))
            pipe.expire(_tabs(name), KEPT_SECONDS)
            pipe.expire(name, KEPT_SECONDS)
            is_there = pipe.execute()[-1]
    except (redis.RedisError, OSError):
        if not entries:
            raise
        is_there = True  # they may be out of Redis, or come once more: by their numbers they count once
    if not is_there:
        raise LookupError(name)
    return _unheard(terminal_id, [values.get("sealed", "") for _number, values in entries], passed_on)


def _unheard(terminal_id: int, sealed: list[str], passed_on: dict[str, int]) -> list[Keys]:
    found = []
    for entry in map(_opened, sealed):
        last = passed_on.get(entry.tab, 0)
        if entry.terminal != terminal_id or entry.number <= last:
            continue
        if entry.number > last + 1:
            raise LookupError(f"entry {last + 1} of {entry.tab}")
        passed_on[entry.tab] = entry.number
        found.append(Keys(entry.text, entry.size))
    return found


def close(terminal_id: int) -> None:
    """Nothing is taken any more."""
    try:
        queue.connection().delete(_name(terminal_id), _tabs(_name(terminal_id)))
    except (redis.RedisError, OSError) as error:
        log.warning("a terminal's keys stay until they expire", extra={"terminal": terminal_id, "error": str(error)})


def _sealed(entry: _Entry) -> str:
    return base64.b64encode(seal(json.dumps(entry)).cipher).decode("ascii")


def _opened(text: str) -> _Entry:
    try:
        terminal, tab, number, typed, size = json.loads(open_sealed(Sealed(base64.b64decode(text))))
        return _Entry(terminal, tab, number, typed, (size[0], size[1]) if size else None)
    except (CannotOpen, ValueError, TypeError) as error:
        raise LookupError("an entry that no page of ours sent") from error


def _name(terminal_id: int) -> str:
    return f"estiva:terminal:{terminal_id}"


def _tabs(name: str) -> str:
    """The newest number of each tab."""
    return f"{name}:tabs"
