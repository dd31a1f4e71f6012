// One line of the log, and one heading, as elements. Text is only ever set as text.
import { split } from "./links.js";
import { classes, parse, PLAIN } from "./sgr.js";
import * as words from "./words.js";

const LEVELS = { bad: "bad", warn: "warn", good: "good" };

export function lineRow(line, { isMany, isMarked }) {
  const row = element("div", "line");
  if (LEVELS[line.level]) row.classList.add(LEVELS[line.level]);
  if (line.stream !== "estiva") row.classList.add("output");
  if (isMarked) row.classList.add("mark");
  const number = element("a", "number", String(line.number));
  number.href = `#${line.name}`;
  row.append(number, element("span", "time", clock(line.time)));
  if (isMany) row.append(element("span", "server", line.share.name));
  row.append(textCell(line));
  row.line = line;
  line.row = row;
  return row;
}

export function headingRow(group, { isFolded }) {
  const row = element("div", "fold");
  const button = element("button", "fold-button", `${words.step(group.step)} · ${group.share.name}`);
  button.type = "button";
  button.setAttribute("aria-expanded", String(!isFolded));
  row.append(button);
  if (isFolded) row.append(element("span", "fold-count", words.lines(group.count)));
  row.group = group;
  group.heading = row;
  return row;
}

function textCell(line) {
  const cell = element("span", "text");
  const { runs } = parse(line.text, line.style);
  if (runs.length === 1 && runs[0].style === PLAIN && !line.text.includes("://")) {
    cell.textContent = runs[0].text;
    return cell;
  }
  for (const run of runs) {
    const names = classes(run.style);
    const place = names ? element("span", names) : cell;
    for (const part of split(run.text)) place.append(part.href ? link(part) : part.text);
    if (names) cell.append(place);
  }
  return cell;
}

function link({ text, href }) {
  const anchor = element("a", "address", text);
  anchor.href = href;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer nofollow";
  return anchor;
}

export function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

// 12:04:31.2, in the reader's own time zone.
export function clock(time) {
  const when = new Date(time);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}.${Math.floor(when.getMilliseconds() / 100)}`;
}

export function showFullTime({ target }) {
  if (!target.matches("span.time") || target.title) return;
  target.title = new Date(target.parentNode.line.time).toISOString();
}
