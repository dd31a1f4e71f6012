// The preferences page shows a theme as soon as it is chosen; the server remembers it when the form is sent.
export function startTheme() {
  document.addEventListener("change", ({ target }) => {
    if (target.name !== "theme" || !target.matches("select, input[type=radio]")) return;
    if (target.value === "light" || target.value === "dark") document.documentElement.dataset.theme = target.value;
    else delete document.documentElement.dataset.theme;
  });
}
