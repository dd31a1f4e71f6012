// Keeps the page true: fragments are fetched again when what they show has moved, progress moves in place, title and icon follow.
import { Stream } from "./stream.js";
import { startUsage } from "./usage.js";

const COALESCE = 100;
const RETRIES = [300, 1000, 3000];
const HIDDEN_LOOK = 10_000;
const WORDS = { reconnecting: "Reconnecting…", live: "Live again", away: "No live updates: reload the page", quiet: "" };

export function startLive() {
  const stream = new Stream(document.body.dataset.eventsUrl, watched);
  const fragments = new Fragments(stream);
  stream.addEventListener("changed", ({ detail }) => fragments.changed(detail));
  stream.addEventListener("progress", ({ detail }) => showProgress(detail));
  startUsage(stream);
  stream.addEventListener("open", () => fragments.everything());
  stream.addEventListener("state", ({ detail }) => sayState(detail));
  document.addEventListener("visibilitychange", () => fragments.lookWhileHidden());
  keepWhatPeopleOpened();
  dressTab();
  return { stream, fragments };
}

function words(text) {
  return (text ?? "").split(/\s+/).filter(Boolean);
}

function watched() {
  const found = new Set(words(document.body.dataset.watch));
  for (const element of document.querySelectorAll("[data-live]")) words(element.dataset.live).forEach((word) => found.add(word));
  return found;
}

class Fragments {
  #stream;
  #due = new Set();
  #timer = null;
  #busy = new Map();
  #hiddenTimer = null;

  constructor(stream) {
    this.#stream = stream;
  }

  changed({ kind, id }) {
    const names = new Set([`${kind}:${id}`, ...(id ? [] : [kind])]);
    this.#refetch((element) => words(element.dataset.live).some((word) => names.has(word)));
  }

  everything() {
    this.#refetch(() => true);
  }

  // A hidden tab has no stream, yet its title is all that is seen of it: while something runs it is looked at now and then.
  lookWhileHidden() {
    clearInterval(this.#hiddenTimer);
    if (document.visibilityState === "visible") return;
    this.#hiddenTimer = setInterval(() => {
      this.#refetch((element) => element.matches("[data-title]") && ["run", "wait"].includes(element.dataset.state));
    }, HIDDEN_LOOK);
  }

  #refetch(wanted) {
    for (const element of document.querySelectorAll("[data-live][data-url]")) {
      if (wanted(element)) this.#due.add(keyOf(element));
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      const due = [...this.#due];
      this.#due.clear();
      for (const key of due) this.#fetch(key);
    }, COALESCE);
  }

  // One request a fragment at a time; news that arrive meanwhile ask for one more.
  async #fetch(key) {
    if (this.#busy.has(key)) return this.#busy.set(key, true);
    this.#busy.set(key, false);
    for (const wait of [...RETRIES, null]) {
      try {
        await this.#replace(key);
        break;
      } catch (error) {
        if (wait === null) console.info("A part of the page could not be fetched; the next change fetches it again.", error);
        else await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    const again = this.#busy.get(key);
    this.#busy.delete(key);
    if (again) this.#fetch(key);
  }

  async #replace(key) {
    const element = findByKey(key);
    if (!element?.dataset.url) return; // what it showed has come to its end: nothing more to fetch
    const url = new URL(element.dataset.url, location.href);
    const response = await fetch(url, { headers: { "HX-Request": "true", "X-Fragment": "1" }, cache: "no-store" });
    if (response.redirected && new URL(response.url).pathname !== url.pathname) return location.reload();
    if (response.status === 404) return element.classList.add("gone");
    if (!response.ok) throw new Error(`${url.pathname} answered ${response.status}`);
    const text = await response.text();
    const target = findByKey(key);
    if (!target) return;
    await window.htmx.swap({ text, target, swap: "outerMorph", sourceElement: target });
    const now = findByKey(key);
    dressTab();
    document.dispatchEvent(new CustomEvent("estiva:fragment", { detail: now }));
    this.#stream.watchedMayHaveChanged();
  }
}

function keyOf(element) {
  return element.id || element.dataset.url;
}

function findByKey(key) {
  return document.getElementById(key) ?? [...document.querySelectorAll("[data-live][data-url]")].find((one) => one.dataset.url === key);
}

// {"target", "deployment", "step", "done", "total", "label"}: the bar of that step, and the one of the whole deployment in lists.
function showProgress({ target, deployment, step, done, total, label }) {
  const names = [`${target}:${step}`, `deployment:${deployment}`];
  for (const bar of document.querySelectorAll("progress[data-progress]")) {
    if (!names.includes(bar.dataset.progress)) continue;
    if (total > 0) {
      bar.max = total;
      bar.value = Math.min(done, total);
    } else {
      bar.removeAttribute("value");
    }
  }
  for (const text of document.querySelectorAll("[data-progress-label]")) {
    if (names.includes(text.dataset.progressLabel)) text.textContent = label;
  }
}

function sayState(state) {
  const place = document.querySelector("[data-stream-state]");
  if (!place) return;
  place.dataset.state = state;
  place.textContent = WORDS[state] ?? "";
}

// The tab's title and icon follow the fragment that carries them.
function dressTab() {
  const element = document.querySelector("[data-title]");
  if (!element) return;
  if (document.title !== element.dataset.title) document.title = element.dataset.title;
  const icon = document.querySelector("link[data-favicon]");
  if (!icon) return;
  icon.dataset.plain ??= icon.href;
  const state = ["run", "good", "bad", "warn"].includes(element.dataset.state) ? element.dataset.state : "";
  const href = state ? new URL(`../icons/favicon-${state}.svg`, import.meta.url).href : icon.dataset.plain;
  if (icon.href !== href) icon.href = href;
}

// A morph makes attributes those of the server, which knows nothing of what somebody has opened.
function keepWhatPeopleOpened() {
  window.htmx?.registerExtension("estiva-live", {
    htmx_before_morph_attr: (element, { attrName }) => !(attrName === "open" && element.matches("details, dialog")),
  });
}
