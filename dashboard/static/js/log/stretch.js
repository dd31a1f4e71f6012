// Of a very long log a stretch is held, not all of it: its end first, then what somebody asks for.
import * as words from "./words.js";
import { element } from "./row.js";
import { button } from "./tools.js";

export const MOST = 60_000;
const MORE = 10_000;
const AROUND = 2000;

// At the beginning: where everything is too much, begin near the end.
export function begin(shares) {
  const all = shares.reduce((sum, share) => sum + share.newest, 0);
  if (all <= MOST) return;
  const each = Math.floor(MOST / 2 / shares.length);
  for (const share of shares) share.clear(Math.max(0, share.newest - each));
}

// Whether a line is held, or will be by reading on.
export function reaches(share, number) {
  return number > share.after && number <= share.until;
}

export function moveTo(share, number) {
  share.clear(Math.max(0, number - AROUND));
  share.until = share.after + MOST / 2;
  if (share.until >= share.newest) share.until = Infinity;
}

export function moveToEnd(share) {
  share.clear(Math.max(0, share.newest - MOST / 2));
  share.until = Infinity;
}

// Makes room for lines before those held: → the rows held so far, to be added again after the earlier ones.
export function openEarlier(share) {
  const held = share.rows;
  share.clear(Math.max(0, share.after - MORE));
  return held;
}

// The words above and below a stretch; hidden where nothing is left out.
export class Edges {
  constructor({ earlier, end }) {
    this.top = element("div", "edge");
    this.bottom = element("div", "edge");
    this.topText = element("span", "soft");
    this.top.append(this.topText, button("Show earlier lines", "", earlier));
    this.bottom.append(element("span", "soft", "Later lines are not shown."), button("Go to the end", "", end));
  }

  show(shares) {
    const left = shares.reduce((sum, share) => sum + share.after, 0);
    this.topText.textContent = `${words.lines(left)} before these are not shown; a search finds them.`;
    this.top.hidden = left === 0;
    this.bottom.hidden = shares.every((share) => share.until === Infinity);
  }
}
