// Small conveniences that every page has: copy buttons, menus that close, forms that can't be sent twice, toasts.

export function startPage() {
  document.addEventListener("click", copyOnClick);
  document.addEventListener("click", closeMenus);
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus(event));
  document.addEventListener("submit", sendOnce);
  addEventListener("pageshow", (event) => event.persisted && document.querySelectorAll("[aria-busy]").forEach(wakeButton));
}

export function toast(text) {
  let place = document.querySelector(".toasts");
  if (!place) {
    place = document.createElement("div");
    place.className = "toasts";
    place.setAttribute("role", "status");
    document.body.append(place);
  }
  const note = document.createElement("div");
  note.className = "toast";
  note.textContent = text;
  place.replaceChildren(note);
  setTimeout(() => note.remove(), 4000);
}

// The clipboard API needs a secure page; on plain http the old way still works.
export async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch (error) {
      console.info("The clipboard refused; trying the older way.", error);
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copyOnClick(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  if (!source) return;
  const done = await copyText((source.value ?? source.textContent).trim());
  button.dataset.word ??= button.textContent;
  button.textContent = done ? "Copied" : "Select and copy it";
  button.focus();
  setTimeout(() => (button.textContent = button.dataset.word), 2000);
}

function closeMenus(event) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (event.type === "click" && menu.contains(event.target)) continue;
    menu.open = false;
    if (event.type === "keydown") menu.querySelector("summary").focus();
  }
}

// A second click on a slow connection must not ask twice. Disabling waits a moment: a disabled button isn't part of what is sent.
function sendOnce(event) {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "1";
  const button = event.submitter;
  if (button) setTimeout(() => button.setAttribute("aria-busy", "true"));
  setTimeout(() => delete event.target.dataset.sent, 8000);
}

function wakeButton(button) {
  button.removeAttribute("aria-busy");
  button.closest("form")?.removeAttribute("data-sent");
}
