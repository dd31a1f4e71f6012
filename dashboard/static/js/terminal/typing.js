// What is typed, on its way to the server: one request at a time, each numbered, sent again until it is taken: nothing twice, nothing lost.
const MOST = 4000;
const RETRIES = [100, 300, 1000, 2000];

export class Typing {
  #text = "";
  #size = null;
  #number = 0;
  #isSending = false;
  #isOver = false;
  #tab = crypto.getRandomValues(new Uint32Array(4)).join("-").slice(0, 36);

  // `said` is called with "", "waiting", "over" or "refused" whenever that changes.
  constructor(url, token, said) {
    this.url = url;
    this.token = token;
    this.said = said;
  }

  type(text) {
    this.#text += text;
    this.#send();
  }

  resize(columns, rows) {
    this.#size = { columns, rows };
    this.#send();
  }

  end() {
    this.#isOver = true;
    this.#text = "";
  }

  async #send() {
    if (this.#isSending) return;
    this.#isSending = true;
    while (!this.#isOver && (this.#text || this.#size)) {
      const text = whole(this.#text.slice(0, MOST));
      const size = this.#size;
      this.#text = this.#text.slice(text.length);
      this.#size = null;
      this.#number += 1;
      await this.#untilTaken({ tab: this.#tab, number: this.#number, text, ...size });
    }
    this.#isSending = false;
  }

  async #untilTaken(entry) {
    for (let tries = 0; !this.#isOver; tries += 1) {
      const answer = await this.#post(entry);
      if (answer === "taken") {
        if (tries) this.said("");
        return;
      }
      if (answer === "over" || answer === "refused") {
        this.end();
        return this.said(answer);
      }
      if (tries) this.said("waiting");
      await new Promise((resolve) => setTimeout(resolve, RETRIES[Math.min(tries, RETRIES.length - 1)]));
    }
  }

  async #post(entry) {
    try {
      const response = await fetch(this.url, {
        method: "POST",
        headers: { "content-type": "application/json", "x-csrftoken": this.token },
        body: JSON.stringify(entry),
      });
      if (!response.ok) return response.status >= 500 ? "later" : "refused"; // signed out, or access taken
      const said = await response.json();
      if (said.over) return "over";
      return said.taken ? "taken" : "later"; // no worker takes it yet, or not so much at once
    } catch {
      return "later"; // nobody answers just now
    }
  }
}

// A character of two halves isn't torn apart.
function whole(text) {
  const last = text.charCodeAt(text.length - 1);
  return text.length > 1 && last >= 0xd800 && last < 0xdc00 ? text.slice(0, -1) : text;
}
