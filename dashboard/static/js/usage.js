// What containers take now: written into the page where it stands, and again when that part was fetched anew.

const STALE = 15_000;
const latest = new Map(); // the id's first digits → [CPU %, memory, limit]
let heard = 0;

export function startUsage(stream) {
  stream.addEventListener("usage", ({ detail }) => {
    heard = Date.now();
    latest.clear();
    for (const [key, values] of Object.entries(detail)) latest.set(key, values);
    show();
  });
  document.addEventListener("estiva:fragment", show);
}

function show() {
  if (Date.now() - heard > STALE) latest.clear(); // better none than old ones
  for (const place of document.querySelectorAll("[data-usage]")) {
    const [cpu, memory, limit] = latest.get(place.dataset.usage) ?? [-1, -1, 0];
    write(place.querySelector("[data-cpu]"), cpu < 0 ? "–" : `${cpu.toFixed(1)} %`, "of one processor");
    write(place.querySelector("[data-memory]"), memory < 0 ? "–" : bytes(memory), limit > 0 ? `of ${bytes(limit)}` : "");
  }
}

function write(element, text, title) {
  if (!element) return;
  if (element.textContent !== text) element.textContent = text;
  if (title && text !== "–") element.title = title;
}

function bytes(count) {
  let size = count;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return unit === "B" ? `${size} B` : `${size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}
