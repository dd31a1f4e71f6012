// Where lines come from: pages of the stored log, and its search.

const PAGE = 5000;
const MOST_FOUND = 1000;
const RETRIES = [500, 1000, 2000, 5000, 10_000];

export class Source {
  constructor(url) {
    this.url = url;
  }

  // → { lines, last, more }: what follows line `after` of a target.
  page(target, after, limit = PAGE) {
    return this.#ask({ target, after, limit });
  }

  // → { found: [[target, number, …]], more }: lines that contain the text. The server looks for half a second at a time.
  async search(text, signal) {
    const found = [];
    let next = "";
    do {
      const part = await this.#ask({ q: text, next }, signal);
      found.push(...part.found);
      next = part.next ?? null;
    } while (next !== null && found.length < MOST_FOUND);
    return { found, more: next !== null };
  }

  async #ask(query, signal) {
    const url = new URL(this.url, location.href);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    const response = await fetch(url, { headers: { accept: "application/json" }, cache: "no-store", signal });
    if (response.redirected && new URL(response.url).pathname !== url.pathname) location.reload(); // signed out
    if (!response.ok) throw new Error(`The log could not be read: the server answered ${response.status}.`);
    return response.json();
  }
}

// Reads a share's pages until it has everything there is, one reader a share; a failure is said and tried again.
export class Filler {
  #busy = new Map();

  constructor(source, { arrived, failed }) {
    this.source = source;
    this.arrived = arrived;
    this.failed = failed;
  }

  fill(share) {
    if (!this.#busy.has(share)) this.#busy.set(share, this.#fill(share).finally(() => this.#busy.delete(share)));
    return this.#busy.get(share);
  }

  async #fill(share) {
    for (let failures = 0; ; ) {
      try {
        const { last: after, epoch } = share;
        const { lines, more } = await this.source.page(share.target, after);
        if (epoch !== share.epoch) continue;
        if (after !== share.last && lines.length === 0) continue; // the live stream was faster
        if (failures) this.failed(null);
        failures = 0;
        const isOver = !more || lines.length === 0 || lines.at(-1)[0] >= share.until;
        if (isOver) share.loading = false;
        await this.arrived(share, lines);
        if (isOver && epoch === share.epoch) return; // else somebody went elsewhere while this was drawn
      } catch (error) {
        this.failed(error);
        await new Promise((resolve) => setTimeout(resolve, RETRIES[Math.min(failures, RETRIES.length - 1)]));
        failures += 1;
      }
    }
  }
}
