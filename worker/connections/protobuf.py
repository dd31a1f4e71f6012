"""The wire format of Protocol Buffers, as much as BuildKit's few messages need: numbers and bytes by their field's number."""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10
_WHOLE = 1 << 64


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) in their order: numbers unsigned, anything with a length as bytes. ValueError if it is broken."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif kind == _BYTES:
            length, at = _varint(message, at)
            yield number, _part(message, at, length)
            at += length
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
            yield number, int.from_bytes(_part(message, at, length), "little")
            at += length
        else:
            raise ValueError(f"a field of kind {kind}, which nobody sends any more")


def number_of(value: int | bytes) -> int:
    """A number as it was meant: int64 is sent in two's complement. ValueError when it is no number."""
    if isinstance(value, bytes):
        raise ValueError("bytes stand where a number is expected")
    return value - _WHOLE if value >= _WHOLE >> 1 else value


def bytes_of(value: int | bytes) -> bytes:
    """Bytes, or a message inside. ValueError when it is a number."""
    if isinstance(value, int):
        raise ValueError("a number stands where bytes are expected")
    return value


def text_of(value: int | bytes) -> str:
    """A string; what isn't UTF-8 is replaced."""
    return bytes_of(value).decode("utf-8", "replace")


def bytes_field(number: int, value: bytes) -> bytes:
    """A field with bytes, a string or a message."""
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(value)) + value


def number_field(number: int, value: int) -> bytes:
    """A field with a number that isn't negative."""
    return _as_varint(number << 3 | _VARINT) + _as_varint(value)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_MOST_VARINT_BYTES):
        if at + index >= len(message):
            raise ValueError("the message ends inside a number")
        byte = message[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value % _WHOLE, at + index + 1
    raise ValueError("a number that doesn't end")


def _part(message: bytes, at: int, length: int) -> bytes:
    if at + length > len(message):
        raise ValueError("the message ends inside a field")
    return message[at : at + length]


def _as_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
