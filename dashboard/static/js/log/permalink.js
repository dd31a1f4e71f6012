// #web-1:L120 and #web-1:L120-L140: lines of one server that somebody points at.

const SHAPE = /^#(.+):L(\d{1,12})(?:-L?(\d{1,12}))?$/;

// → { name, first, last } or null.
export function read(hash) {
  const match = SHAPE.exec(hash);
  if (!match) return null;
  const [one, other] = [Number(match[2]), Number(match[3] ?? match[2])];
  try {
    return { name: decodeURIComponent(match[1]), first: Math.min(one, other), last: Math.max(one, other) };
  } catch {
    return null; // not an address of ours: a broken % sequence
  }
}

export function write({ name, first, last }) {
  return `#${encodeURIComponent(name)}:L${first}${last > first ? `-L${last}` : ""}`;
}

// What a click on a line's number points at: with shift from where it pointed before.
export function pointed(now, line, isRange) {
  const name = line.share.name;
  if (!isRange || !now || now.name !== name) return { name, first: line.number, last: line.number, from: line.number };
  const from = now.from ?? now.first;
  return { name, first: Math.min(from, line.number), last: Math.max(from, line.number), from };
}

export function holds(mark, line) {
  return mark !== null && mark.name === line.share.name && line.number >= mark.first && line.number <= mark.last;
}
