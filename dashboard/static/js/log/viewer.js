// The log of a deployment: <section class="log-viewer" data-deployment data-lines-url data-raw-url [data-complete]> with one
// <li data-target data-name data-last> for each server. First what is on record, then what comes, the same for both.
import { copyText, toast } from "../page.js";
import { selectedText } from "./copy.js";
import { Drawing } from "./drawing.js";
import { Follow } from "./follow.js";
import { Going } from "./going.js";
import { listen } from "./keys.js";
import * as permalink from "./permalink.js";
import { Record, sharesOf } from "./record.js";
import { element, showFullTime } from "./row.js";
import { Search } from "./search.js";
import { Filler, Source } from "./source.js";
import * as stretch from "./stretch.js";
import { Tools } from "./tools.js";
import * as words from "./words.js";

export class Viewer {
  constructor(section, stream) {
    this.section = section;
    this.isComplete = "complete" in section.dataset;
    this.target = null;
    this.step = "";
    this.heard = [];
    this.record = new Record(sharesOf(section));
    this.source = new Source(section.dataset.linesUrl);
    this.filler = new Filler(this.source, { arrived: (share, rows) => this.#arrived(share, rows), failed: (error) => this.#failed(error) });
    this.#build();
    this.#listen(stream);
    this.#begin();
  }

  #build() {
    const { shares } = this.record;
    this.tools = new Tools(shares, this.section.dataset.rawUrl, {
      server: (target) => this.filter(target, this.step),
      step: (step) => this.filter(this.target, step),
      wrap: () => this.#wrap(),
      copy: () => this.#copy(),
      search: (by) => this.search.step(by),
    });
    this.problem = element("div", "note warn log-problem");
    this.problem.hidden = true;
    this.problem.setAttribute("role", "status");
    this.log = element("div", `log${shares.length > 1 ? " many" : ""}`);
    for (const [name, value] of Object.entries({ role: "log", "aria-live": "off", "aria-label": "Log", tabindex: "0" })) this.log.setAttribute(name, value);
    this.blocks = element("div", "blocks");
    this.empty = element("div", "log-empty soft", "Loading the log…");
    this.going = new Going(this);
    this.edges = new stretch.Edges({ earlier: () => this.going.earlier(), end: () => this.going.toEnd() });
    this.log.append(this.empty, this.edges.top, this.blocks, this.edges.bottom);
    this.jump = element("button", "button small main jump");
    this.jump.type = "button";
    this.jump.hidden = true;
    this.section.replaceChildren(this.tools.place, this.problem, this.log, this.jump);
    this.follow = new Follow(this.log, this.blocks, this.jump);
    this.drawing = new Drawing(this.blocks, this.record, {
      wants: (line) => this.wants(line),
      isMarked: (line) => permalink.holds(this.going.mark, line),
      drew: (count, isDone) => this.#drew(count, isDone),
    });
    this.drawing.blocks.isMany = shares.length > 1;
    this.search = new Search({
      input: this.tools.input,
      count: this.tools.count,
      lines: () => this.record.order.filter((line) => this.wants(line)),
      isWhole: () => shares.every((share) => share.isWhole),
      server: (text, signal) => this.#serverSearch(text, signal),
      go: (place) => this.going.to(place),
      row: ({ target, number }) => this.record.byTarget(target)?.line(number)?.row,
    });
  }

  #listen(stream) {
    stream.positionsFrom(() => new Map(this.record.shares.map((share) => [share.target, Math.max(share.newest, share.last)])));
    stream.addEventListener("log", ({ detail }) => this.#live(detail));
    document.addEventListener("estiva:fragment", ({ detail }) => this.#fragment(detail));
    addEventListener("hashchange", () => this.going.hashChanged());
    this.blocks.addEventListener("click", (event) => this.#clicked(event));
    this.blocks.addEventListener("pointerover", showFullTime);
    this.log.addEventListener("copy", (event) => this.#copied(event));
    listen({
      "/": () => this.tools.input.select(),
      n: () => this.search.step(1),
      N: () => this.search.step(-1),
      g: () => this.going.toTop(),
      G: () => this.going.toEnd(),
      w: () => this.#wrap(),
    });
  }

  #begin() {
    stretch.begin(this.record.shares);
    this.going.begin(this.section.dataset.openAt);
    this.tools.shows(this.target);
    for (const share of this.record.shares) {
      if (share.newest > 0) this.filler.fill(share);
      else this.#beginEmpty(share);
    }
    this.#say();
  }

  // Nothing was written yet, and what comes is live: with hundreds of servers one need not ask for each.
  #beginEmpty(share) {
    if (this.isComplete) return void this.filler.fill(share);
    share.loading = false;
    this.#arrived(share, []);
  }

  // Lines come in

  async #arrived(share, rows) {
    this.#insert(share.add(rows));
    while (!this.drawing.isDone && this.record.order.length > stretch.MOST / 4) await new Promise((resolve) => setTimeout(resolve, 16));
  }

  // A burst of events comes in one go: it is drawn once, not once an event.
  #live(event) {
    this.heard.push(event);
    this.hearing ??= setTimeout(() => {
      this.hearing = null;
      this.#insert(this.heard.splice(0).flatMap(({ target, lines }) => this.record.byTarget(target)?.add(lines) ?? []));
      for (const share of this.record.shares) if (share.hasGap && !share.loading) this.filler.fill(share);
    }, 16);
  }

  #insert(fresh) {
    const from = this.record.insert(fresh);
    if (from >= 0) this.drawing.changedFrom(from);
    for (const { group } of fresh) {
      if (group.folded && group.heading) group.heading.lastChild.textContent = words.lines(group.count);
    }
    this.#say();
  }

  #drew(count, isDone) {
    this.follow.keep();
    if (this.started) this.follow.came(count);
    if (!isDone) return;
    if (!this.record.shares.some((share) => share.loading)) this.started = true;
    this.going.reveal();
    this.search.refresh();
    this.#say();
  }

  #failed(error) {
    this.problem.hidden = error === null;
    this.problem.textContent = error ? "The log could not be read just now. Trying again; nothing is lost." : "";
  }

  #fragment(fragment) {
    if (this.isComplete || !fragment?.matches("[data-state]")) return;
    if (!fragment.dataset.live?.split(/\s+/).includes(this.section.dataset.subject ?? `deployment:${this.section.dataset.deployment}`)) return;
    if ("open" in fragment.dataset) return;
    this.isComplete = true;
    for (const share of this.record.shares) this.filler.fill(share); // the last word is the record's
    this.#say();
  }

  // What is shown

  wants(line) {
    return (this.target === null || line.share.target === this.target) && (this.step === "" || line.step === this.step);
  }

  filter(target, step) {
    this.target = target;
    this.step = step;
    this.tools.shows(target);
    this.tools.steps.value = step;
    this.log.classList.toggle("many", this.record.shares.length > 1 && target === null);
    if (!this.going.isWaiting) this.follow.toEnd();
    this.redraw();
  }

  redraw() {
    this.started = false;
    this.drawing.again();
    this.search.refresh();
  }

  fold(group) {
    this.follow.letGo();
    const line = this.record.order.find((one) => one.group === group && this.wants(one));
    const top = this.log.scrollTop;
    group.folded = !group.folded;
    this.started = false;
    this.drawing.changedAt(line);
    this.log.scrollTop = top;
    group.heading?.firstChild.focus({ preventScroll: true });
  }

  #wrap() {
    const isOn = !this.log.classList.toggle("no-wrap");
    this.tools.wrap.setAttribute("aria-pressed", String(isOn));
    this.follow.keep();
  }

  #say() {
    const { shares, order } = this.record;
    const all = shares.reduce((sum, share) => sum + Math.max(share.last, share.newest), 0);
    this.tools.holds(all);
    this.tools.hasSteps(new Set(order.length ? shares.flatMap((share) => [...share.steps]) : []));
    this.edges.show(shares);
    const isLoading = shares.some((share) => share.loading);
    if (isLoading) this.tools.says("wait", "Loading");
    else if (this.isComplete) this.tools.says("good", "Complete");
    else this.tools.says("run", "Live");
    const isBlank = !this.blocks.firstChild;
    this.empty.hidden = !isBlank;
    if (isBlank) this.empty.textContent = isLoading ? "Loading the log…" : this.#nothing(order.length > 0);
  }

  #nothing(isFiltered) {
    if (isFiltered) return "No line of that server and step.";
    return this.isComplete ? "Nothing was logged." : "The first line has not come yet.";
  }

  #clicked(event) {
    const fold = event.target.closest(".fold-button");
    if (fold) return this.fold(fold.parentNode.group);
    const number = event.target.closest("a.number");
    if (!number || event.ctrlKey || event.metaKey || event.button) return;
    event.preventDefault();
    this.going.pointAt(number.parentNode.line, event.shiftKey);
  }

  // Copying

  async #copy() {
    const marked = this.record.order.filter((line) => permalink.holds(this.going.mark, line));
    const chosen = marked.length ? marked : this.record.order.filter((line) => this.wants(line));
    const done = await copyText(chosen.map((line) => line.words).join("\n"));
    toast(done ? `Copied ${words.lines(chosen.length)}` : "The browser didn't allow copying: select the lines and copy them");
  }

  #copied(event) {
    const text = selectedText(this.log);
    if (text === null) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  }

  async #serverSearch(text, signal) {
    const { found, more } = await this.source.search(text, signal);
    const rows = found.filter(([target, , , step]) => (this.target === null || target === this.target) && (this.step === "" || step === this.step));
    return { found: rows.map(([target, number]) => ({ target, number })), more };
  }
}
