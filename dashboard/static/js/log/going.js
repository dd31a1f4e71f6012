// Going to a line: by its permalink, by a search, to the beginning, to the end. Lines that aren't held are read first.
import * as permalink from "./permalink.js";
import * as stretch from "./stretch.js";

export class Going {
  #waited = null; // { share, number }: scrolled to as soon as it is there
  #isOpening = false; // nobody pointed at a line: the page itself stays at its top, where it says what happened

  constructor(viewer) {
    this.viewer = viewer;
    this.mark = permalink.read(location.hash);
  }

  get isWaiting() {
    return this.#waited !== null;
  }

  // Where a log opens: at its permalink, else at `openAt` ("web-2:L126"), else at its end.
  begin(openAt) {
    const place = this.mark ?? permalink.read(`#${openAt ?? ""}`);
    const share = place && this.viewer.record.byName(place.name);
    if (share) this.to({ target: share.target, number: place.first }, this.mark === null);
  }

  to({ target, number }, isOpening = false) {
    this.#isOpening = isOpening;
    const share = this.viewer.record.byTarget(target);
    this.#waited = { share, number };
    this.viewer.follow.letGo();
    this.#reach(share, number);
    this.reveal();
  }

  // Makes sure that a line is held, or being read, and passes the filters.
  #reach(share, number) {
    const { viewer } = this;
    const line = share.line(number);
    if (viewer.target !== null && viewer.target !== share.target) viewer.filter(null, "");
    if (line && viewer.step && line.step !== viewer.step) viewer.filter(viewer.target, "");
    if (line?.group.folded) viewer.fold(line.group);
    if (number > share.newest || stretch.reaches(share, number)) return;
    stretch.moveTo(share, number);
    this.#reread(share);
  }

  // Scrolls to the line that is waited for, once it is there. A line that has not been written yet is waited for, too.
  reveal() {
    if (!this.#waited) return;
    const { share, number } = this.#waited;
    const row = share.line(number)?.row;
    if (!row) return;
    this.#waited = null;
    this.viewer.follow.letGo();
    this.#show(row);
    requestAnimationFrame(() => this.#show(row)); // blocks above may have got their true height
    this.viewer.blocks.querySelector(".line.now")?.classList.remove("now");
    row.classList.toggle("now", !this.#isOpening);
  }

  #show(row) {
    const { log } = this.viewer;
    if (this.#isOpening) log.scrollTop += row.getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 4;
    else row.scrollIntoView({ block: "center" });
  }

  toTop() {
    this.#waited = null;
    this.viewer.follow.letGo();
    this.viewer.log.scrollTop = 0;
  }

  toEnd() {
    this.#waited = null;
    for (const share of this.viewer.record.shares.filter((one) => one.until !== Infinity)) {
      stretch.moveToEnd(share);
      this.#reread(share);
    }
    this.viewer.follow.toEnd();
  }

  // The lines before those held, where a very long log is held in part.
  earlier() {
    const share = this.viewer.record.shares.reduce((best, one) => (one.after > best.after ? one : best));
    this.viewer.follow.letGo();
    if (share.lines.length) this.#waited = { share, number: share.first };
    this.#reread(share, stretch.openEarlier(share));
  }

  #reread(share, held = []) {
    const { record, filler } = this.viewer;
    share.loading = true;
    record.clear();
    record.insert(record.shares.filter((one) => one !== share).flatMap((one) => one.lines));
    share.add(held);
    this.viewer.redraw();
    filler.fill(share);
  }

  hashChanged() {
    const mark = permalink.read(location.hash);
    if (!mark) return;
    this.#point(mark);
    const share = this.viewer.record.byName(mark.name);
    if (share) this.to({ target: share.target, number: mark.first });
  }

  // A line's number was clicked; with shift the lines from the one clicked before.
  pointAt(line, isRange) {
    this.#point(permalink.pointed(this.mark, line, isRange));
    history.replaceState(history.state, "", permalink.write(this.mark));
    if (isRange) getSelection()?.removeAllRanges();
  }

  #point(mark) {
    this.mark = mark;
    for (const row of this.viewer.blocks.querySelectorAll(".line.mark")) row.classList.remove("mark");
    const share = this.viewer.record.byName(mark.name);
    if (!share) return;
    for (let number = mark.first; number <= Math.min(mark.last, share.last); number += 1) share.line(number)?.row?.classList.add("mark");
  }
}
