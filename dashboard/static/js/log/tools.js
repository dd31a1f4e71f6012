// The bar above the log: servers, steps, search, state, wrap, copy, raw.
import { element } from "./row.js";
import * as words from "./words.js";

const FEW = 4;

export class Tools {
  // `did` has server(target or null), step(key or ""), wrap(), copy(), search(by).
  constructor(shares, rawUrl, did) {
    this.place = element("div", "tools log-tools");
    this.did = did;
    this.input = field();
    this.count = element("span", "found-count");
    this.count.setAttribute("role", "status");
    this.state = element("span", "state wait small", "Loading");
    this.state.setAttribute("role", "status");
    this.wrap = button("Wrap", "Wrap long lines (w)", () => did.wrap());
    this.wrap.setAttribute("aria-pressed", "true");
    this.steps = this.#stepChoice();
    const end = element("div", "end");
    end.append(this.state, button("Copy", "Copy the lines pointed at, else all that are shown", () => did.copy()), this.wrap, raw(rawUrl));
    this.place.append(...this.#serverChoice(shares), this.steps, this.#finder(), end);
  }

  #serverChoice(shares) {
    if (shares.length < 2) return [];
    const choices = [{ target: null, name: "All servers" }, ...shares];
    if (shares.length > FEW) {
      this.servers = select("Server", choices.map(({ target, name }) => [String(target ?? ""), name]), (value) => this.did.server(value ? Number(value) : null));
      return [this.servers];
    }
    this.servers = element("div", "choices servers");
    this.servers.setAttribute("role", "group");
    this.servers.setAttribute("aria-label", "Server");
    for (const { target, name } of choices) {
      const choice = button(name, "", () => this.did.server(target));
      choice.dataset.server = String(target ?? "");
      this.servers.append(choice);
    }
    return [this.servers];
  }

  #stepChoice() {
    const choice = select("Step", [["", "All steps"]], (value) => this.did.step(value));
    choice.hidden = true;
    return choice;
  }

  #finder() {
    const finder = element("div", "finder");
    finder.setAttribute("role", "search");
    const back = button("‹", "Previous (N)", () => this.did.search(-1), "icon");
    const on = button("›", "Next (n)", () => this.did.search(1), "icon");
    finder.append(this.input, this.count, back, on);
    return finder;
  }

  // Which server's lines are shown.
  shows(target) {
    if (!this.servers) return;
    if (this.servers.matches("select")) this.servers.value = String(target ?? "");
    for (const choice of this.servers.querySelectorAll("button")) choice.setAttribute("aria-pressed", String(choice.dataset.server === String(target ?? "")));
  }

  // The steps that have lines, in the order in which they are done.
  hasSteps(keys) {
    const order = Object.keys(words.STEPS);
    const sorted = [...keys].sort((one, other) => order.indexOf(one) - order.indexOf(other));
    if (sorted.join() === this.known) return;
    this.known = sorted.join();
    const chosen = this.steps.value;
    this.steps.replaceChildren(option("", "All steps"), ...sorted.map((key) => option(key, words.step(key))));
    this.steps.value = chosen;
    this.steps.hidden = sorted.length < 2;
  }

  holds(count) {
    this.input.placeholder = count ? `Search ${words.lines(count)}` : "Search the log";
  }

  says(kind, word) {
    if (this.state.textContent === word) return;
    this.state.className = `state ${kind} small`;
    this.state.textContent = word;
  }
}

function field() {
  const input = element("input");
  input.type = "search";
  input.placeholder = "Search the log";
  input.setAttribute("aria-label", "Search the log");
  input.setAttribute("aria-keyshortcuts", "/");
  input.autocomplete = "off";
  input.spellcheck = false;
  return input;
}

export function button(text, title, did, more = "") {
  const made = element("button", `button small ${more}`.trim(), text);
  made.type = "button";
  if (title) made.title = title;
  if (more === "icon") made.setAttribute("aria-label", title);
  made.addEventListener("click", did);
  return made;
}

function raw(url) {
  const link = element("a", "button small", "Raw");
  link.href = url;
  link.title = "The whole log as a text file";
  link.setAttribute("download", "");
  return link;
}

function select(label, options, did) {
  const made = element("select", "small");
  made.setAttribute("aria-label", label);
  made.append(...options.map(([value, text]) => option(value, text)));
  made.addEventListener("change", () => did(made.value));
  return made;
}

function option(value, text) {
  const made = element("option", "", text);
  made.value = value;
  return made;
}
