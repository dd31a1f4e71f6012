/* A file that is written in the page: numbers its lines and marks those that were refused. Without it a plain field stands there. */

function numbered(editor, field, gutter) {
  const bad = new Set(editor.dataset.badLines.split(" ").filter(Boolean).map(Number));
  const count = field.value.split("\n").length;
  if (gutter.childElementCount !== count) {
    gutter.replaceChildren(
      ...Array.from({ length: count }, (_each, index) => {
        const line = document.createElement("span");
        line.textContent = String(index + 1);
        if (bad.has(index + 1)) line.className = "bad";
        return line;
      }),
    );
  }
  gutter.scrollTop = field.scrollTop;
}

for (const editor of document.querySelectorAll("[data-editor]")) {
  const field = editor.querySelector("textarea");
  const gutter = document.createElement("div");
  gutter.className = "editor-lines";
  gutter.setAttribute("aria-hidden", "true");
  editor.prepend(gutter);
  const draw = () => numbered(editor, field, gutter);
  field.addEventListener("input", draw);
  field.addEventListener("scroll", () => {
    gutter.scrollTop = field.scrollTop;
  });
  draw();
}
