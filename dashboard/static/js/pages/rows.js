/* Tables of settings: adds and removes rows. Without it one blank row stands at the end, and a cleared row is dropped. */

let next = 0;

function label(row, number) {
  for (const input of row.querySelectorAll("[name]")) {
    input.name = input.name.replace(".__.", `.${number}.`);
    if (input.id) input.id = `${input.id}-${number}`;
  }
}

function add(table) {
  const row = table.querySelector("template").content.cloneNode(true);
  next = Math.max(next, Number(table.dataset.next));
  label(row, next);
  table.dataset.next = String(next + 1);
  next = 0;
  const button = table.querySelector("[data-add-row]");
  const added = row.firstElementChild;
  reveal(row);
  button.before(row);
  added.querySelector("input, select")?.focus();
}

function remove(row) {
  const table = row.closest("[data-rows]");
  row.remove();
  const left = table.querySelectorAll(".setting-row:not(.setting-head)");
  (left[left.length - 1]?.querySelector("input") ?? table.querySelector("[data-add-row]")).focus();
}

function reveal(root) {
  for (const button of root.querySelectorAll("[data-add-row], [data-remove-row]")) button.hidden = false;
}

document.addEventListener("click", (event) => {
  const adds = event.target.closest("[data-add-row]");
  if (adds) add(adds.closest("[data-rows]"));
  const removes = event.target.closest("[data-remove-row]");
  if (removes) remove(removes.closest(".setting-row"));
});

reveal(document);
