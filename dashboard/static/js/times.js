// Keeps "12 min ago" and running clocks true on a page that stays open; says them as `ago` and `duration` of the templates do.
// In other languages than the one these words are in, the server's words stay as they were.

const SECOND = 1000;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// The browser's clock may be wrong: what counts is the server's.
const skew = Number(document.body.dataset.now) * SECOND - Date.now();

const secondsSince = (iso) => (Date.now() + skew - Date.parse(iso)) / SECOND;

export function ago(seconds) {
  if (seconds < 5) return seconds < -5 ? null : "just now";
  if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return null; // older ones don't change before the page does
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

function tick() {
  if (document.visibilityState === "hidden") return;
  for (const element of document.querySelectorAll("time[data-ago]")) say(element, ago(secondsSince(element.dateTime)));
  for (const element of document.querySelectorAll("[data-since]")) say(element, duration(secondsSince(element.dataset.since)));
}

function say(element, text) {
  if (text !== null && element.textContent !== text) element.textContent = text;
}

if (document.documentElement.lang === "en") {
  setInterval(tick, SECOND);
  document.addEventListener("visibilitychange", tick);
}
