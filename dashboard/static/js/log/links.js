// Addresses in a line become links: http and https only, nothing else is ever a link.

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\\^{}|]+/gi;
const CLOSERS = { ")": "(", "]": "[" };

// → [{ text, href }], href null where the text is just text.
export function split(text) {
  if (!text.includes("://")) return [{ text, href: null }];
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = safe(address);
    if (!href) continue;
    if (match.index > at) parts.push({ text: text.slice(at, match.index), href: null });
    parts.push({ text: address, href });
    at = match.index + address.length;
  }
  if (at < text.length) parts.push({ text: text.slice(at), href: null });
  return parts;
}

// A sentence's full stop or bracket is not part of the address.
function trimmed(address) {
  let text = address;
  for (;;) {
    const last = text.at(-1);
    const open = CLOSERS[last];
    const unbalanced = open && text.split(last).length > text.split(open).length;
    if (!unbalanced && !/[.,;:!?*…]/.test(last)) return text;
    text = text.slice(0, -1);
  }
}

function safe(address) {
  try {
    const url = new URL(address);
    return (url.protocol === "http:" || url.protocol === "https:") && url.hostname ? url.href : null;
  } catch {
    return null; // looks like an address, isn't one: stays text
  }
}
