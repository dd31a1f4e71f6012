// Follows the newest line until somebody scrolls up, then says how many came meanwhile.
import * as words from "./words.js";

const NEAR = 24;

export class Follow {
  #top = 0;
  #missed = 0;

  constructor(log, content, button) {
    this.log = log;
    this.button = button;
    this.isOn = true;
    log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    log.addEventListener("wheel", (event) => event.deltaY < 0 && this.#isScrollable() && this.letGo(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.keep()).observe(content);
    new ResizeObserver(() => this.keep()).observe(log);
  }

  // After something was added or laid out anew.
  keep() {
    if (!this.isOn) return;
    this.log.scrollTop = this.log.scrollHeight;
    this.#top = this.log.scrollTop;
  }

  letGo() {
    this.isOn = false;
  }

  toEnd() {
    this.isOn = true;
    this.#missed = 0;
    this.#say();
    this.keep();
  }

  // Lines came; while nobody follows they are counted.
  came(count) {
    if (this.isOn || count === 0) return;
    this.#missed += count;
    this.#say();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.log;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    if (isAtEnd) {
      this.isOn = true;
      this.#missed = 0;
      this.#say();
    } else if (scrollTop < this.#top - 1) {
      this.letGo();
    }
    this.#top = scrollTop;
  }

  #isScrollable() {
    return this.log.scrollHeight > this.log.clientHeight + NEAR;
  }

  #say() {
    this.button.hidden = this.#missed === 0;
    this.button.textContent = words.newLines(this.#missed);
  }
}
