"""The prober's own process: asks every given page twenty times a second and writes each answer down. Standard library only.

`python -m parts.faults.asking OUT` reads one JSON list of {name, address, port, alias, dns} on standard input and runs until it is killed.
Each line it writes: name, when asked, when answered (seconds since the epoch), the answer's text or "", and what was wrong or "".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time
from typing import Any, TextIO

PERIOD = 0.05
PATIENCE = 3.0
CONNECT_PATIENCE = 1.5  # a lost packet of a handshake is sent again after one second
MOST_AT_ONCE = 12  # a page whose server is slow is not to be asked to death
DNS_TRIES, DNS_PATIENCE = 3, 0.7


class NameServerSilent(OSError):
    """No answer from the engine's name server."""


async def ask(page: dict[str, Any]) -> tuple[str, str]:
    """One request, to the first of its addresses that takes a connection, as clients do: the answer's text, and what was wrong."""
    addresses = [page["address"]] if page["address"] else await resolve(page["alias"], page["dns"])
    if not addresses:
        return "", "no address"
    reader, writer = await connect(addresses, page["port"])
    try:
        writer.write(f"GET / HTTP/1.0\r\nHost: {page['name']}\r\n\r\n".encode())
        await writer.drain()
        answer = (await reader.read()).decode(errors="replace")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    status = answer.split(" ", 2)[1:2]
    body = answer.partition("\r\n\r\n")[2].strip()
    return (body, "") if status == ["200"] and body else ("", f"status {status[0] if status else 'none'}")


async def connect(addresses: list[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first that answers; the last one's error where none does."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError, TimeoutError):
            return await asyncio.wait_for(asyncio.open_connection(address, port), CONNECT_PATIENCE)
    return await asyncio.open_connection(addresses[-1], port)


async def resolve(name: str, server: str) -> list[str]:
    """The addresses that this DNS server knows for a name, in its order."""
    loop = asyncio.get_running_loop()
    question = (
        b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack("!HH", 1, 1)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.connect((server, 53))
        for _ in range(DNS_TRIES):  # as resolvers do: a datagram may get lost
            await loop.sock_sendall(line, struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question)
            with contextlib.suppress(TimeoutError):
                answer = await asyncio.wait_for(loop.sock_recv(line, 4096), DNS_PATIENCE)
                break
        else:
            raise NameServerSilent
    (count,) = struct.unpack("!H", answer[6:8])
    place, found = 12 + len(question), []
    for _ in range(count):
        while answer[place] and answer[place] < 0xC0:  # a name in full; else a pointer to it, of two bytes
            place += 1 + answer[place]
        place += 2 if answer[place] else 1
        (length,) = struct.unpack("!H", answer[place + 8 : place + 10])  # after type, class and life
        found.append(socket.inet_ntoa(answer[place + 10 : place + 10 + length]))
        place += 10 + length
    return found


async def follow(page: dict[str, Any], out: TextIO) -> None:
    """Ask it again and again; a request that hangs keeps none of the next from being sent."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    under_way: set[asyncio.Task[None]] = set()
    while True:
        if len(under_way) < MOST_AT_ONCE:
            task = asyncio.create_task(note(page, out))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        due = max(due + PERIOD, loop.time() - PERIOD)
        await asyncio.sleep(max(0.0, due - loop.time()))


async def note(page: dict[str, Any], out: TextIO) -> None:
    """One request, written down."""
    asked = time.time()
    try:
        text, wrong = await asyncio.wait_for(ask(page), PATIENCE)
    except TimeoutError:
        text, wrong = "", f"no answer within {PATIENCE:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it was, nobody answered, and that has to stand there
        text, wrong = "", type(error).__name__
    out.write(json.dumps([page["name"], asked, time.time(), text, wrong]) + "\n")


async def main(pages: list[dict[str, Any]], path: str) -> None:
    """All of them side by side."""
    with open(path, "a", buffering=1) as out:  # noqa: PTH123 - a line buffer on a local file
        await asyncio.gather(*(follow(page, out) for page in pages))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.readline()), sys.argv[1]))
