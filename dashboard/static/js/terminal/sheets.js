// xterm.js writes <style> elements and style attributes, which the page's policy forbids, rightly. The same rules as constructed
// style sheets, and the same styles set one by one, are allowed: from here on this page's document makes elements that do so.

export function dressDocument() {
  document.createElement = (name, ...rest) => make(String(name).toLowerCase(), rest);
}

function make(tag, rest) {
  const element = Document.prototype.createElement.call(document, tag === "style" ? "span" : tag, ...rest);
  if (tag === "style") return asSheet(element);
  if (tag === "span") element.setAttribute = setAttribute;
  return element;
}

function asSheet(element) {
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
