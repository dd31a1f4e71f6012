// The entry of every page: live fragments, small conveniences, and the log viewer where there is one.
import { startLive } from "./live.js";
import { startPage } from "./page.js";
import { startTheme } from "./theme.js";

startTheme();
startPage();
const live = startLive();

const section = document.querySelector(".log-viewer[data-lines-url]");
if (section) await openLog(section);
const screen = document.querySelector(".terminal[data-pieces-url]");
if (screen) await (await import("./terminal/terminal.js")).openTerminal(screen, live.stream);
live.stream.start();
document.addEventListener("estiva:watch", () => live.stream.watchedMayHaveChanged()); // a part came that watches something of its own

// A connection may break at any moment (a laptop changes its network): tried again, and then said; the page lives on without its log.
async function openLog(place) {
  for (const wait of [500, 2000, null]) {
    try {
      const { Viewer } = await import("./log/viewer.js");
      new Viewer(place, live.stream);
      return;
    } catch (error) {
      if (wait === null) sayUnloaded(place, error);
      else await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

function sayUnloaded(place, error) {
  console.error("The log viewer could not be loaded.", error);
  const note = document.createElement("p");
  note.className = "note warn";
  const link = document.createElement("a");
  link.href = place.dataset.rawUrl;
  link.textContent = "read the log as plain text";
  note.append("The log viewer could not be loaded. Reload the page, or ", link, ".");
  place.append(note);
}
