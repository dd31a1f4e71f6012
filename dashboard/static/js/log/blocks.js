// What is shown: headings and lines, in blocks of 200 rows that the browser lays out only when they come near.
import { before } from "./record.js";
import { element, headingRow, lineRow } from "./row.js";

export const ROWS = 200;

export class Blocks {
  #items = []; // { line, group }: a heading carries its group, and the line it was put before
  #blocks = [];

  constructor(place) {
    this.place = place;
    this.isMany = false;
  }

  get lineCount() {
    return this.#items.reduce((count, item) => count + (item.group ? 0 : 1), 0);
  }

  clear() {
    for (const item of this.#items) forget(item);
    this.#items = [];
    this.#blocks = [];
    this.place.replaceChildren();
  }

  // Adds lines below what is there; `isMarked(line)` says which are pointed at. → how many lines were shown.
  append(lines, isMarked) {
    let rows = [];
    let shown = 0;
    const put = (item, row) => {
      this.#items.push(item);
      rows.push(row);
      if (rows.length === this.#room()) {
        this.#block().append(...rows);
        this.#fill();
        rows = [];
      }
    };
    for (const line of lines) {
      const { group } = line;
      if (!group.heading) put({ line, group }, headingRow(group, { isFolded: group.folded }));
      if (group.folded) continue;
      put({ line, group: null }, lineRow(line, { isMany: this.isMany, isMarked: isMarked(line) }));
      shown += 1;
    }
    if (rows.length) this.#block().append(...rows);
    return shown;
  }

  // Takes away `line`, if it is there, and everything that belongs below it.
  cutFrom(line) {
    let count = 0;
    for (let at = this.#items.length - 1; at >= 0 && before(this.#items[at].line, line) >= 0; at -= 1) count += 1;
    for (const item of this.#items.splice(this.#items.length - count)) this.#remove(item);
  }

  #remove(item) {
    const row = item.group ? item.group.heading : item.line.row;
    const block = row.parentNode;
    row.remove();
    forget(item);
    block.classList.remove("full");
    if (block.childElementCount === 0) {
      block.remove();
      this.#blocks.pop();
    }
  }

  #block() {
    const last = this.#blocks.at(-1);
    if (last && last.childElementCount < ROWS) return last;
    const block = element("div", "block");
    this.#blocks.push(block);
    this.place.append(block);
    return block;
  }

  #room() {
    const last = this.#blocks.at(-1);
    return last && last.childElementCount < ROWS ? ROWS - last.childElementCount : ROWS;
  }

  #fill() {
    this.#blocks.at(-1).classList.add("full");
  }
}

function forget({ line, group }) {
  if (group) group.heading = null;
  else line.row = null;
}
