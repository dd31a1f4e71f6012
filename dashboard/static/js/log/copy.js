// Copying lines: what was selected with the pointer comes out as lines of text, without numbers, times and headings.

// The text of a selection inside the log, or null where the browser's own copying is right (within one line).
export function selectedText(log) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  if (!log.contains(range.commonAncestorContainer)) return null;
  const rows = [...log.querySelectorAll(".line")].filter((row) => range.intersectsNode(row));
  if (rows.length < 2) return null;
  const first = partOf(rows[0], range, true);
  const last = partOf(rows.at(-1), range, false);
  return [first, ...rows.slice(1, -1).map((row) => row.line.words), last].join("\n");
}

function partOf(row, range, isFirst) {
  const cell = row.querySelector(".text");
  const part = document.createRange();
  part.selectNodeContents(cell);
  const node = isFirst ? range.startContainer : range.endContainer;
  if (!cell.contains(node)) return isFirst || cell.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING ? row.line.words : "";
  if (isFirst) part.setStart(node, range.startOffset);
  else part.setEnd(node, range.endOffset);
  return part.toString();
}
