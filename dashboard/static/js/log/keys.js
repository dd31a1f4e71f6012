// The log's keys: / search, n N next and previous, g G top and end, w wrap. Never while somebody types.

export function listen(did) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
    const key = did[event.key];
    if (!key) return;
    event.preventDefault();
    key();
  });
}
