/* Things that are used in an order, each with a number: moves them with buttons. Without it the numbers are typed. */

const numberOf = (item) => item.querySelector('input[type="number"]');
const isUsed = (item) => numberOf(item).value !== "";

function show(list) {
  const items = [...list.querySelectorAll("[data-item]")];
  const used = items.filter(isUsed);
  for (const item of items) {
    const [up, down, out, into] = ["up", "down", "out", "in"].map((way) => item.querySelector(`[data-move="${way}"]`));
    const place = used.indexOf(item);
    up.hidden = down.hidden = out.hidden = place < 0;
    into.hidden = place >= 0;
    up.disabled = place === 0;
    down.disabled = place === used.length - 1;
  }
}

function arrange(list, used) {
  const rest = [...list.querySelectorAll("[data-item]")].filter((item) => !used.includes(item));
  used.forEach((item, index) => (numberOf(item).value = String(index + 1)));
  rest.forEach((item) => (numberOf(item).value = ""));
  list.append(...used, ...rest);
  show(list);
}

function move(button) {
  const item = button.closest("[data-item]");
  const list = item.parentElement;
  const used = [...list.querySelectorAll("[data-item]")].filter(isUsed);
  used.sort((one, other) => Number(numberOf(one).value) - Number(numberOf(other).value));
  const at = used.indexOf(item);
  const way = button.dataset.move;
  if (at >= 0) used.splice(at, 1);
  if (way === "in") used.push(item);
  else if (way !== "out") used.splice(at + (way === "up" ? -1 : 1), 0, item);
  arrange(list, used);
  // a button that is gone or has nowhere to move to hands the focus on
  const ways = [way, "up", "down", "out", "in"].map((each) => item.querySelector(`[data-move="${each}"]`));
  ways.find((each) => !each.hidden && !each.disabled).focus();
}

for (const form of document.querySelectorAll("[data-order]")) {
  for (const moves of form.querySelectorAll("[data-moves]")) moves.hidden = false;
  const list = form.querySelector("[data-item]").parentElement;
  show(list);
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (button) move(button);
  });
  form.addEventListener("change", () => show(list)); // a number was typed
}
