// Draws the record into blocks a slice at a time, so that the page stays quick while fifty thousand lines arrive.
import { Blocks } from "./blocks.js";

const SLICE = 1000;

export class Drawing {
  #drawn = 0; // of record.order
  #isDrawing = false;

  // `wants(line)`: passes the filters; `isMarked(line)`; `drew(count, isDone)` after each slice.
  constructor(place, record, { wants, isMarked, drew }) {
    this.blocks = new Blocks(place);
    this.record = record;
    Object.assign(this, { wants, isMarked, drew });
  }

  get isDone() {
    return this.#drawn >= this.record.order.length;
  }

  // Everything anew: filters or the record have changed altogether.
  again() {
    this.blocks.clear();
    this.#drawn = 0;
    this.run();
  }

  // The record has changed from `from` on.
  changedFrom(from) {
    if (from < this.#drawn) {
      this.blocks.cutFrom(this.record.order[from]);
      this.#drawn = from;
    }
    this.run();
  }

  changedAt(line) {
    const from = this.record.order.indexOf(line);
    if (from >= 0) this.changedFrom(from);
  }

  async run() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    try {
      do {
        this.#slice();
        if (!this.isDone) await breath();
      } while (!this.isDone);
    } finally {
      this.#isDrawing = false;
    }
  }

  #slice() {
    const end = Math.min(this.record.order.length, this.#drawn + SLICE);
    const lines = this.record.order.slice(this.#drawn, end).filter(this.wants);
    this.#drawn = end;
    const shown = this.blocks.append(lines, this.isMarked);
    this.drew(shown, this.isDone);
  }
}

// Lets the browser paint and answer; not requestAnimationFrame, which rests in a hidden tab.
function breath() {
  return globalThis.scheduler?.yield ? scheduler.yield() : new Promise((resolve) => setTimeout(resolve));
}
