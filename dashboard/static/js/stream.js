// The tab's one live connection. A hidden tab drops its own (a browser has six connections per origin) and takes it up again when seen.

const SAY_AFTER = 800; // a drop shorter than this is nobody's business
const HIDE_AFTER = 15_000;
const RETRIES = [1000, 2000, 5000, 10_000, 30_000];
const RELOAD_KEY = "estiva-signed-out";

export class Stream extends EventTarget {
  #source = null;
  #watched;
  #positions = () => new Map();
  #state = "idle";
  #opened = 0;
  #failures = 0;
  #timers = {};

  // `watched` returns what the page shows now, as a set of words like "deployment:41" or "overview".
  constructor(url, watched) {
    super();
    this.url = url;
    this.#watched = watched;
    this.asked = "";
  }

  // Where the log stands: a function that returns a Map of target → last line held. Without it the stream begins at the newest line.
  positionsFrom(positions) {
    this.#positions = positions;
  }

  get state() {
    return this.#state;
  }

  start() {
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    addEventListener("online", () => this.#retryNow());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.#connect());
    this.#connect();
  }

  // What the page shows may have changed: connect anew if something isn't watched yet, also where nothing was so far.
  watchedMayHaveChanged() {
    const asked = new Set(this.asked.split(" "));
    if ((this.#source || !this.asked) && [...this.#watched()].some((word) => !asked.has(word))) this.#connect();
  }

  #connect() {
    this.#close();
    const words = [...this.#watched()].sort();
    if (!this.url || words.length === 0 || document.visibilityState === "hidden") return;
    this.asked = words.join(" ");
    const source = new EventSource(`${this.url}?${this.#query(words)}`);
    this.#source = source;
    source.addEventListener("open", () => this.#isOpen());
    source.addEventListener("error", () => this.#isBroken(source));
    for (const kind of ["log", "changed", "progress", "usage"]) {
      source.addEventListener(kind, (event) => this.dispatchEvent(new CustomEvent(kind, { detail: JSON.parse(event.data) })));
    }
    source.addEventListener("bye", () => this.#signedOut());
  }

  #query(words) {
    const query = new URLSearchParams(words.map((word) => ["watch", word]));
    const positions = [...this.#positions()].map(([target, line]) => `t${target}:${line}`);
    if (positions.length) query.set("from", positions.join(","));
    return query;
  }

  #close() {
    clearTimeout(this.#timers.retry);
    this.#source?.close();
    this.#source = null;
  }

  #isOpen() {
    clearTimeout(this.#timers.say);
    this.#failures = 0;
    this.#opened += 1;
    const wasSaid = this.#state === "reconnecting" || this.#state === "away";
    this.#say(wasSaid ? "live" : "quiet");
    // whatever moved while nobody listened is fetched again: between the page and the first connection too
    this.dispatchEvent(new CustomEvent("open", { detail: { first: this.#opened === 1 } }));
  }

  #isBroken(source) {
    if (source !== this.#source) return;
    if (!this.#timers.say) {
      this.#timers.say = setTimeout(() => {
        this.#timers.say = null;
        if (this.#source?.readyState !== EventSource.OPEN && document.visibilityState === "visible") this.#say("reconnecting");
      }, SAY_AFTER);
    }
    if (source.readyState === EventSource.CLOSED) this.#refused(source);
  }

  // The browser gave up, which it does on any answer but 200; the reason is asked for, since an EventSource doesn't tell.
  async #refused(source) {
    const status = await statusOf(source.url);
    if (source !== this.#source) return;
    if (status === 401) return this.#signedOut();
    if (status === 404) return this.#say("away");
    const wait = RETRIES[Math.min(this.#failures, RETRIES.length - 1)];
    this.#failures += 1;
    this.#timers.retry = setTimeout(() => this.#connect(), wait);
  }

  #retryNow() {
    if (this.#source && this.#source.readyState !== EventSource.OPEN) this.#connect();
  }

  // Signed out, or access taken: the server says what to show now. Not more than once in half a minute, else two tabs could loop.
  #signedOut() {
    this.#close();
    const last = Number(sessionStorage.getItem(RELOAD_KEY) ?? 0);
    if (Date.now() - last < 30_000) return this.#say("away");
    sessionStorage.setItem(RELOAD_KEY, String(Date.now()));
    location.reload();
  }

  #visibilityChanged() {
    clearTimeout(this.#timers.hide);
    if (document.visibilityState === "visible") {
      if (!this.#source) this.#connect();
      return;
    }
    this.#timers.hide = setTimeout(() => this.#close(), Number(document.body.dataset.hideAfter ?? HIDE_AFTER));
  }

  #say(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

async function statusOf(url) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 5000);
  try {
    const response = await fetch(url, { signal: abort.signal, headers: { accept: "text/event-stream" }, cache: "no-store" });
    return response.status;
  } catch {
    return 0; // nobody answers: try again later
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
