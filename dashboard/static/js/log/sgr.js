// What a terminal would show of one line: text with colours as classes. Everything else that programs say to terminals is dropped.

const ESC = "\x1b";
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/;
const STRINGS = "]PX^_"; // OSC, DCS, SOS, PM, APC: a string up to BEL or ST
const LEVELS = [0, 95, 135, 175, 215, 255];

// The style a line begins with: colours are 0 to 255 or null.
export const PLAIN = Object.freeze({ ink: null, ground: null, bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false });

// → { runs: [{ text, style }], style }, the style with which the next line begins.
export function parse(line, style = PLAIN) {
  if (!CONTROL.test(line)) return { runs: line ? [{ text: line, style }] : [], style };
  return new Reader(line, style).read();
}

// The text alone, for searching and copying.
export function plain(line) {
  if (!CONTROL.test(line)) return line;
  return parse(line).runs.map((run) => run.text).join("");
}

// The classes of css/ansi.css and css/log.css for a style; "" for none.
export function classes(style) {
  const names = [];
  const { ink, ground, inverse } = style;
  if (inverse) names.push(ink === null ? "inverse" : `k${ink}`);
  else if (ground !== null) names.push(`k${ground}`);
  else if (ink !== null) names.push(`f${ink}`);
  for (const name of ["bold", "dim", "italic", "underline", "strike"]) if (style[name]) names.push(name);
  return names.join(" ");
}

class Reader {
  constructor(line, style) {
    this.line = line;
    this.style = style;
    this.runs = [];
    this.text = "";
    this.returned = false;
  }

  read() {
    const { line } = this;
    let at = 0;
    while (at < line.length) {
      const code = line.charCodeAt(at);
      if (code === 0x1b) at = this.#escape(at);
      else if (code === 0x9b) at = this.#control(at + 1);
      else if (code === 0x9d || code === 0x90 || code === 0x98 || code === 0x9e || code === 0x9f) at = this.#string(at + 1);
      else if (code === 0x0d) at = this.#carriageReturn(at);
      else if (code === 0x08) at = this.#backspace(at);
      else if ((code < 0x20 && code !== 0x09) || (code >= 0x7f && code <= 0x9f)) at += 1;
      else at = this.#plain(at);
    }
    this.#flush();
    return { runs: this.runs, style: this.style };
  }

  #plain(at) {
    let end = at + 1;
    while (end < this.line.length && !CONTROL.test(this.line[end])) end += 1;
    if (this.returned) {
      this.runs = [];
      this.text = "";
      this.returned = false;
    }
    this.text += this.line.slice(at, end);
    return end;
  }

  // What comes after a return overwrites: of a progress bar only the last state is kept.
  #carriageReturn(at) {
    this.returned = true;
    return at + 1;
  }

  #backspace(at) {
    this.text = this.text.slice(0, -1);
    return at + 1;
  }

  #escape(at) {
    const next = this.line[at + 1];
    if (next === "[") return this.#control(at + 2);
    if (next !== undefined && STRINGS.includes(next)) return this.#string(at + 2);
    let end = at + 1;
    while (end < this.line.length && this.line[end] >= " " && this.line[end] <= "/") end += 1; // intermediates, as in ESC ( B
    return end + 1;
  }

  #string(at) {
    for (let end = at; end < this.line.length; end += 1) {
      const code = this.line.charCodeAt(end);
      if (code === 0x07 || code === 0x9c) return end + 1;
      if (code === 0x1b) return this.line[end + 1] === "\\" ? end + 2 : end;
    }
    return this.line.length;
  }

  #control(at) {
    let end = at;
    while (end < this.line.length && this.line[end] >= " " && this.line[end] <= "?") end += 1;
    const final = this.line[end];
    if (final === "m") this.#colours(this.line.slice(at, end));
    else if (final === ESC) return end; // broken off by the next sequence
    return end + 1;
  }

  #flush() {
    if (this.text) this.runs.push({ text: this.text, style: this.style });
    this.text = "";
  }

  #colours(parameters) {
    if (/[^\d;:]/.test(parameters)) return;
    this.#flush();
    this.style = applied(this.style, parameters);
  }
}

function applied(before, parameters) {
  const style = { ...before };
  const words = parameters.split(";");
  for (let at = 0; at < words.length; at += 1) {
    const [code, ...parts] = words[at].split(":");
    const number = Number(code || 0);
    if (number === 38 || number === 48) {
      const values = parts.length ? colon(parts) : words.slice(at + 1).map(Number);
      const [colour, used] = extended(values);
      if (!parts.length) at += used;
      if (colour !== null) style[number === 38 ? "ink" : "ground"] = colour;
    } else if (number === 58) {
      if (!parts.length) at += extended(words.slice(at + 1).map(Number))[1];
    } else if (number === 4 && parts[0] === "0") {
      style.underline = false;
    } else {
      simple(style, number);
    }
  }
  return same(style, PLAIN) ? PLAIN : style;
}

function simple(style, number) {
  if (number === 0) Object.assign(style, PLAIN);
  else if (number === 1) style.bold = true;
  else if (number === 2) style.dim = true;
  else if (number === 3) style.italic = true;
  else if (number === 4 || number === 21) style.underline = true;
  else if (number === 7) style.inverse = true;
  else if (number === 9) style.strike = true;
  else if (number === 22) style.bold = style.dim = false;
  else if (number === 23) style.italic = false;
  else if (number === 24) style.underline = false;
  else if (number === 27) style.inverse = false;
  else if (number === 29) style.strike = false;
  else if (number >= 30 && number <= 37) style.ink = number - 30;
  else if (number === 39) style.ink = null;
  else if (number >= 40 && number <= 47) style.ground = number - 40;
  else if (number === 49) style.ground = null;
  else if (number >= 90 && number <= 97) style.ink = number - 82;
  else if (number >= 100 && number <= 107) style.ground = number - 92;
}

// 38:2::r:g:b carries a colour space before its numbers, 38:2:r:g:b doesn't.
function colon(parts) {
  const values = parts.map(Number);
  return values[0] === 2 && values.length > 4 ? [2, ...values.slice(2)] : values;
}

// After 38 or 48: [colour or null, how many numbers belonged to it].
function extended(values) {
  const fits = (value) => Number.isInteger(value) && value >= 0 && value <= 255;
  if (values[0] === 5) return [fits(values[1]) ? values[1] : null, 2];
  if (values[0] === 2) return [values.slice(1, 4).length === 3 && values.slice(1, 4).every(fits) ? nearest(...values.slice(1, 4)) : null, 4];
  return [null, 0];
}

// The nearest of the 256: the cube's or a grey's, whichever is less far.
export function nearest(red, green, blue) {
  const step = (value) => LEVELS.reduce((best, level, index) => (Math.abs(level - value) < Math.abs(LEVELS[best] - value) ? index : best), 0);
  const [r, g, b] = [step(red), step(green), step(blue)];
  const grey = Math.max(0, Math.min(23, Math.round(((red + green + blue) / 3 - 8) / 10)));
  const far = (x, y, z) => (x - red) ** 2 + (y - green) ** 2 + (z - blue) ** 2;
  const shade = 8 + grey * 10;
  return far(shade, shade, shade) < far(LEVELS[r], LEVELS[g], LEVELS[b]) ? 232 + grey : 16 + 36 * r + 6 * g + b;
}

function same(one, other) {
  return Object.keys(PLAIN).every((key) => one[key] === other[key]);
}
