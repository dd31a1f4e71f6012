// A terminal on the page: its record from the beginning, then what comes live, and what is typed where this person may type.
import { FitAddon } from "../../vendor/xterm-addon-fit/addon-fit.mjs";
import { Terminal } from "../../vendor/xterm/xterm.mjs";
import { onTheme, themeOf } from "./colours.js";
import { dressDocument } from "./sheets.js";
import { Typing } from "./typing.js";

const SAID = {
  "": "",
  waiting: "Your keys wait: the server does not take them yet.",
  over: "It is over.",
  refused: "You may not type here any more: reload the page.",
  broken: "What stood on the screen can't be read just now.",
};
const SCROLLBACK = 10_000;
const RETRY = 2000;

export async function openTerminal(section, stream) {
  dressDocument();
  await document.fonts.load('13px "JetBrains Mono"'); // it measures its characters once
  const screen = new Screen(section, stream);
  await screen.catchUp();
  return screen;
}

class Screen {
  #last = 0;
  #pastPieces = 0;
  #reading = null;
  #typing = null;

  constructor(section, stream) {
    this.section = section;
    this.place = section.querySelector("[data-screen]");
    this.target = -Number(section.dataset.terminal);
    this.term = this.#drawn();
    if (section.dataset.keysUrl) this.#letType();
    stream.positionsFrom(() => new Map([[this.target, this.#last]]));
    stream.addEventListener("log", ({ detail }) => detail.target === this.target && this.#came(detail.lines));
    document.addEventListener("estiva:fragment", ({ detail }) => detail?.id === "terminal" && this.#looked(detail));
  }

  // Everything on record so far.
  catchUp() {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #read() {
    const past = Number(this.section.dataset.last);
    for (let more = true; more; ) {
      try {
        const url = new URL(this.section.dataset.piecesUrl, location.href);
        url.searchParams.set("after", String(this.#last));
        const response = await fetch(url, { headers: { accept: "application/json" }, cache: "no-store" });
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        const page = await response.json();
        this.#draw(page.lines, past);
        more = page.more;
        this.say("");
      } catch (error) {
        console.info("The terminal's record could not be read; it is tried again.", error);
        this.say("broken");
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    if (this.#typing) this.#fit();
  }

  #came(lines) {
    if (lines.length && lines[0][0] > this.#last + 1) return this.catchUp();
    this.#draw(lines, 0);
  }

  // Up to piece `past` the program has long had its answers: what the screen would answer to its questions again is dropped.
  #draw(lines, past) {
    for (const [number, , , stream, text] of lines) {
      if (number <= this.#last) continue;
      this.#last = number;
      if (stream === "size") this.#sized(text, number <= past);
      else if (stream === "stdout") this.#write(text, number <= past);
    }
  }

  #write(text, isPast) {
    if (!isPast) return this.term.write(text);
    this.#pastPieces += 1;
    this.term.write(text, () => (this.#pastPieces -= 1));
  }

  #sized(text, isPast) {
    const [columns, rows] = text.split("x").map(Number);
    if ((isPast || !this.#typing) && columns > 1 && rows > 0) this.term.write("", () => this.term.resize(columns, rows));
  }

  #drawn() {
    const term = new Terminal({
      disableStdin: !this.section.dataset.keysUrl,
      cursorBlink: false,
      cursorInactiveStyle: "outline",
      convertEol: false,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
      fontSize: 13,
      lineHeight: 1.25,
      scrollback: SCROLLBACK,
      minimumContrastRatio: 4.5,
      theme: themeOf(this.place),
      linkHandler: { activate: () => {} }, // a program's words lead nowhere
      screenReaderMode: false,
    });
    term.open(this.place);
    onTheme(() => (term.options.theme = themeOf(this.place)));
    return term;
  }

  #letType() {
    this.fit = new FitAddon();
    this.term.loadAddon(this.fit);
    this.#typing = new Typing(this.section.dataset.keysUrl, this.section.dataset.token, (state) => this.say(state));
    this.term.onData((text) => this.#pastPieces === 0 && this.#typing?.type(text));
    this.term.onBinary((text) => this.#typing?.type(text));
    this.term.onResize(({ cols, rows }) => this.#pastPieces === 0 && this.#typing?.resize(cols, rows));
    new ResizeObserver(() => this.#reading === null && this.#fit()).observe(this.place);
    this.term.focus();
  }

  #fit() {
    if (!this.#typing) return;
    this.term.write("", () => {
      const { cols, rows } = this.term;
      this.fit.fit();
      if (this.term.cols === cols && this.term.rows === rows && !this.wasSized) this.#typing?.resize(cols, rows);
      this.wasSized = true;
    });
  }

  // The part above was fetched again: it may have ended.
  #looked(part) {
    if (part.hasAttribute("data-open")) return;
    this.#typing?.end();
    this.#typing = null;
    this.term.options.disableStdin = true;
    this.term.options.cursorInactiveStyle = "none";
    this.term.blur();
    this.catchUp();
  }

  say(state) {
    this.section.querySelector("[data-terminal-state]").textContent = SAID[state] ?? "";
  }
}
