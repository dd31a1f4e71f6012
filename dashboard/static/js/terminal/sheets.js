// xterm.js writes <style> elements and style attributes, which the page's policy forbids, rightly. The same rules as constructed
// style sheets, and the same styles set one by one, are allowed: this hands it a document that makes those.

// Run `open`, during which every <style> that is made is a stand-in.
export function withSheets(open) {
  document.createElement = (name, ...rest) => make(name, rest);
  try {
    return open();
  } finally {
    delete document.createElement; // the prototype's is back
  }
}

// For the option `documentOverride`: what is drawn later, too, is made here.
export const sheetDocument = new Proxy(document, {
  get(target, name) {
    if (name === "createElement") return (tag, ...rest) => make(tag, rest);
    const value = Reflect.get(target, name, target);
    return typeof value === "function" ? value.bind(target) : value;
  },
});

function make(name, rest) {
  const tag = String(name).toLowerCase();
  const element = Document.prototype.createElement.call(document, tag === "style" ? "span" : name, ...rest);
  if (tag === "style") return sheetFor(element);
  if (tag === "span") element.setAttribute = setAttribute;
  return element;
}

function sheetFor(element) {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  return element;
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}
