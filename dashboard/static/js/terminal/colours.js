// The screen's colours: the page's own, and the sixteen of the log.
const INKS = {
  black: ["#6b7280", "#8193aa"],
  red: ["#b0124f", "#ff7aa8"],
  green: ["#17733f", "#5ccb8b"],
  yellow: ["#8a5a00", "#f0b44c"],
  blue: ["#1a56b4", "#77adff"],
  magenta: ["#8a3ab9", "#c79bff"],
  cyan: ["#0e7490", "#4fd1e0"],
  white: ["#4b5563", "#c3cedb"],
  brightBlack: ["#5b6472", "#93a3b8"],
  brightRed: ["#d81e5b", "#ff9cbe"],
  brightGreen: ["#118342", "#7fe0a8"],
  brightYellow: ["#9b6700", "#ffd07f"],
  brightBlue: ["#286de0", "#a3c8ff"],
  brightMagenta: ["#a045d5", "#dbbcff"],
  brightCyan: ["#0c7c97", "#86e3ee"],
  brightWhite: ["#16202e", "#ffffff"],
};

export function themeOf(place) {
  const style = getComputedStyle(place);
  const dark = isDark(place) ? 1 : 0;
  const inks = Object.fromEntries(Object.entries(INKS).map(([name, pair]) => [name, pair[dark]]));
  return {
    ...inks,
    background: style.backgroundColor,
    foreground: style.color,
    cursor: style.color,
    cursorAccent: style.backgroundColor,
    selectionBackground: dark ? "#33465e" : "#cfd9ea",
  };
}

// Call back when day becomes night: the system's, or the page's.
export function onTheme(changed) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

function isDark(place) {
  const probe = document.createElement("i");
  probe.style.color = "light-dark(#000000, #ffffff)";
  place.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour === "rgb(255, 255, 255)";
}
