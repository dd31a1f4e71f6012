// The lines as they are: per server in the order of their numbers, none missing or doubled; and all of them in the order of time.
import { PLAIN, parse, plain } from "./sgr.js";

export class Line {
  constructor(share, [number, time, step, stream, text, level]) {
    this.share = share;
    this.number = number;
    this.time = time;
    this.at = time; // never before the line above it, so that a clock set back doesn't reorder a server's log
    this.step = step;
    this.stream = stream;
    this.text = text;
    this.level = level ?? "info";
    this.style = PLAIN;
    this.group = null;
    this.row = null;
  }

  get name() {
    return `${encodeURIComponent(this.share.name)}:L${this.number}`;
  }

  // What a person reads and searches: without colours and other control sequences.
  get words() {
    return (this.plain ??= plain(this.text));
  }
}

// One server's lines first…last, without a hole. Lines that come too early wait.
export class Share {
  #waiting = new Map();
  #styles = new Map();

  constructor(target, name, index, expected) {
    this.target = target;
    this.name = name;
    this.index = index;
    this.newest = expected; // the highest number known to exist
    this.loading = true;
    this.until = Infinity; // of a very long log only a stretch is held; what lies past it is left where it is
    this.clear(0);
  }

  // Begin anew after line `after`: what was held is forgotten.
  clear(after) {
    this.epoch = (this.epoch ?? 0) + 1; // answers to what was asked before mean nothing now
    this.after = after;
    this.last = after;
    this.lines = [];
    this.group = null;
    this.steps = new Set();
    this.#waiting.clear();
    this.#styles.clear();
  }

  get hasGap() {
    return this.#waiting.size > 0;
  }

  get first() {
    return this.after + 1;
  }

  // Whether everything that exists is held.
  get isWhole() {
    return this.after === 0 && this.until === Infinity;
  }

  get rows() {
    return this.lines.map((line) => [line.number, line.time, line.step, line.stream, line.text, line.level]);
  }

  line(number) {
    return this.lines[number - this.first] ?? null;
  }

  // Rows as the server sends them, in any order, doubled or not → the lines that are new and in their place.
  add(rows) {
    const fresh = [];
    for (const row of rows) {
      this.newest = Math.max(this.newest, row[0]);
      if (row[0] > this.until) continue;
      if (row[0] === this.last + 1) fresh.push(this.#take(row));
      else if (row[0] > this.last) this.#waiting.set(row[0], row);
    }
    for (let row; (row = this.#waiting.get(this.last + 1)); ) fresh.push(this.#take(row));
    if (this.#waiting.size) for (const number of this.#waiting.keys()) if (number <= this.last) this.#waiting.delete(number);
    return fresh;
  }

  #take(row) {
    this.#waiting.delete(row[0]);
    const line = new Line(this, row);
    const above = this.lines.at(-1);
    if (above) line.at = Math.max(line.time, above.at);
    this.#join(line, above);
    if (this.#styles.has(line.stream)) line.style = this.#styles.get(line.stream);
    if (line.text.includes("\x1b")) this.#styles.set(line.stream, parse(line.text, line.style).style);
    this.lines.push(line);
    this.last = line.number;
    return line;
  }

  // A step's lines belong together; a step done again is a group of its own, and a colour never runs on into the next step.
  #join(line, above) {
    if (!above || above.step !== line.step) {
      this.group = { share: this, step: line.step, first: line.number, count: 0, folded: false, heading: null };
      this.steps.add(line.step);
      this.#styles.clear();
    }
    this.group.count += 1;
    line.group = this.group;
  }
}

export function before(one, other) {
  return one.at - other.at || one.share.index - other.share.index || one.number - other.number;
}

// All servers' lines in the order of time. While several are being loaded only what can't be overtaken any more is given out.
export class Record {
  #held = [];

  constructor(shares) {
    this.shares = shares;
    this.order = [];
  }

  byTarget(target) {
    return this.shares.find((share) => share.target === target) ?? null;
  }

  byName(name) {
    return this.shares.find((share) => share.name === name) ?? null;
  }

  clear() {
    this.order = [];
    this.#held = [];
  }

  // → the place in `order` from which it has changed (its length, where lines were only added: the lines then stand after it), or -1.
  insert(fresh) {
    for (const line of fresh) this.#held.push(line);
    const limit = this.#limit();
    const ready = this.#held.filter((line) => line.at <= limit).sort(before);
    if (ready.length === 0) return -1;
    this.#held = this.#held.filter((line) => line.at > limit);
    let from = this.order.length;
    while (from > 0 && before(ready[0], this.order[from - 1]) < 0) from -= 1;
    const tail = this.order.splice(from);
    const merged = tail.length ? [...tail, ...ready].sort(before) : ready;
    for (const line of merged) this.order.push(line);
    return from;
  }

  #limit() {
    const loading = this.shares.filter((share) => share.loading);
    return Math.min(Infinity, ...loading.map((share) => share.lines.at(-1)?.at ?? -Infinity));
  }
}

// One share for each server that a section names.
export function sharesOf(section) {
  return [...section.querySelectorAll("[data-target]")].map(
    ({ dataset }, index) => new Share(Number(dataset.target), dataset.name, index, Number(dataset.last ?? 0)),
  );
}
