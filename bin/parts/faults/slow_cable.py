"""A cable that is slow and loses packets, for kernels without netem: frames go through this process, which keeps or drops them.

`python -m parts.faults.slow_cable OURS THEIRS DELAY JITTER LOSS` makes two taps of these names, prints `ready`, and passes frames from the
one to the other, each after DELAY ± JITTER milliseconds, LOSS of a hundred never. Standard library only.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME = 65536


def tap(name: str) -> int:
    """A new tap; its other side is a network device of this name."""
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return handle


def passed(source: int) -> list[bytes]:
    """The frames that wait there."""
    frames = []
    while True:
        try:
            frames.append(os.read(source, FRAME))
        except OSError:  # nothing more waits there; a device that is down answers EIO
            return frames


def main(ours: str, theirs: str, delay: float, jitter: float, loss: float) -> None:
    """Pass frames until killed. Frames of one direction keep their order, as on a real line."""
    ends = (tap(ours), tap(theirs))
    print("ready", flush=True)
    dice = random.Random(1)  # noqa: S311 - dice, not keys
    waiting: list[tuple[float, int, int, bytes]] = []
    latest = {ends[0]: 0.0, ends[1]: 0.0}
    count = 0
    while True:
        due = waiting[0][0] - time.monotonic() if waiting else 1.0
        readable, _, _ = select.select(ends, [], [], max(0.0, min(1.0, due)))
        now = time.monotonic()
        for source in readable:
            target = ends[1] if source == ends[0] else ends[0]
            for frame in passed(source):
                if dice.random() * 100 < loss:
                    continue
                count += 1
                latest[target] = max(
                    latest[target], now + max(0.0, dice.uniform(delay - jitter, delay + jitter)) / 1000
                )
                heapq.heappush(waiting, (latest[target], count, target, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, target, frame = heapq.heappop(waiting)
            try:
                os.write(target, frame)
            except OSError:
                continue  # the device is down for a moment: lost, as packets are


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(float(each) for each in sys.argv[3:6]))
