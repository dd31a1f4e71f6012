"""Pictures of pages need few colours: a PNG of 256 instead of millions is half as large, and nobody sees the difference."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

from playwright.sync_api import Page

_COUNT_COLOURS: Final = """async (png) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const palette = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one)).slice(0, 256);
  const indices = new Map(palette.map((colour, index) => [colour, index]));
  const part = (colour, shift) => (colour >>> shift) & 255;
  const apart = (one, other) => [0, 8, 16].reduce((sum, shift) => sum + (part(one, shift) - part(other, shift)) ** 2, 0);
  const nearest = (colour) => palette.reduce((best, each, index) => (apart(colour, each) < apart(colour, palette[best]) ? index : best), 0);
  let rows = "";
  for (let place = 0; place < pixels.length; place += 1) {
    const pixel = pixels[place];
    if (!indices.has(pixel)) indices.set(pixel, nearest(pixel));
    rows += String.fromCharCode(indices.get(pixel));
  }
  return { width, height, palette, rows: btoa(rows) };
}"""


def few_colours(page: Page, png: bytes) -> bytes:
    """The same picture with its 256 most frequent colours; `page` lends its canvas and should be a blank one."""
    found = page.evaluate(_COUNT_COLOURS, base64.b64encode(png).decode())
    width, height = found["width"], found["height"]
    indices = base64.b64decode(found["rows"])
    rows = b"".join(b"\0" + indices[row * width : (row + 1) * width] for row in range(height))
    colours = b"".join(struct.pack("<I", colour)[:3] for colour in found["palette"])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
