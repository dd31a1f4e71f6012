// Finds text in the log: in the lines that are held, or by the server where not everything is.
import * as words from "./words.js";

const PAINTED = 4000;
const PAUSE = 120;

export class Search {
  #found = []; // { target, number }
  #now = -1;
  #more = false;
  #text = "";
  #timer = null;
  #abort = null;

  // lines(): those shown, in their order; isWhole(): whether they are all there is; server(text, signal): the found ones; go(place).
  constructor({ input, count, lines, isWhole, server, go, row }) {
    Object.assign(this, { input, count, lines, isWhole, server, go, row });
    input.addEventListener("input", () => this.#soon(PAUSE, true));
    input.addEventListener("keydown", (event) => this.#key(event));
  }

  get isOpen() {
    return this.#text !== "";
  }

  // The lines have changed: look again, staying where one is.
  refresh() {
    if (this.isOpen) this.#soon(400, false);
  }

  step(by) {
    if (this.#found.length === 0) return;
    this.#now = (this.#now + by + this.#found.length) % this.#found.length;
    this.#say();
    this.go(this.#found[this.#now]);
    this.paint();
  }

  #key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.input.value !== this.#text) this.#run(true);
      else this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      this.input.value = "";
      this.#run(false);
      this.input.blur();
    }
  }

  #soon(pause, isNew) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(isNew), pause);
  }

  async #run(isNew) {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#text = this.input.value;
    const at = this.#found[this.#now];
    const found = await this.#find();
    if (found === null) return;
    this.#found = found;
    const same = at ? found.findIndex((place) => place.target === at.target && place.number === at.number) : -1;
    this.#now = same;
    this.#say();
    this.paint();
    if (isNew && same < 0 && found.length) this.step(1);
  }

  // → places, or null when another search has begun meanwhile.
  async #find() {
    const text = this.#text;
    this.#more = false;
    if (text === "") return [];
    if (this.isWhole()) return this.#inLines(text.toLowerCase());
    this.#abort = new AbortController();
    try {
      const { found, more } = await this.server(text, this.#abort.signal);
      this.#more = more;
      return text === this.#text ? found : null;
    } catch (error) {
      if (error.name !== "AbortError") this.count.textContent = "The search failed; try again";
      return null;
    }
  }

  #inLines(text) {
    const found = [];
    for (const line of this.lines()) {
      if (line.words.toLowerCase().includes(text)) found.push({ target: line.share.target, number: line.number });
    }
    return found;
  }

  #say() {
    const all = words.number(this.#found.length) + (this.#more ? "+" : "");
    if (!this.isOpen) this.count.textContent = "";
    else if (this.#found.length === 0) this.count.textContent = "nothing found";
    else this.count.textContent = this.#now < 0 ? `${all} found` : `${words.number(this.#now + 1)} of ${all}`;
  }

  // Marks the text itself, without touching the lines' elements.
  paint() {
    if (!CSS.highlights) return;
    CSS.highlights.delete("found");
    CSS.highlights.delete("found-now");
    if (!this.isOpen || this.#found.length === 0) return;
    const text = this.#text.toLowerCase();
    const first = Math.max(0, this.#now - PAINTED / 2);
    const ranges = this.#found.slice(first, first + PAINTED).flatMap((place) => rangesOf(this.row(place), text));
    CSS.highlights.set("found", new Highlight(...ranges));
    const now = rangesOf(this.row(this.#found[this.#now] ?? {}), text);
    const top = new Highlight(...now);
    top.priority = 1;
    CSS.highlights.set("found-now", top);
  }
}

function rangesOf(row, text) {
  const cell = row?.querySelector(".text");
  if (!cell) return [];
  const nodes = [];
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  for (let start = 0; walker.nextNode(); start += walker.currentNode.data.length) nodes.push({ node: walker.currentNode, start });
  const whole = cell.textContent.toLowerCase();
  if (whole.length !== cell.textContent.length) return []; // a letter whose small form is longer: the line is found, not painted
  const ranges = [];
  for (let at = whole.indexOf(text); at >= 0; at = whole.indexOf(text, at + text.length)) {
    ranges.push(range(nodes, at, at + text.length));
  }
  return ranges;
}

function range(nodes, start, end) {
  const within = (offset, isEnd) => nodes.findLast((one) => (isEnd ? one.start < offset : one.start <= offset));
  const [first, last] = [within(start, false), within(end, true)];
  const made = new Range();
  made.setStart(first.node, start - first.start);
  made.setEnd(last.node, end - last.start);
  return made;
}
