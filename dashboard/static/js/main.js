// The entry of every page: live fragments, small conveniences, and the log viewer where there is one.
import { startLive } from "./live.js";
import { startPage } from "./page.js";
import { startTheme } from "./theme.js";

startTheme();
startPage();
const live = startLive();

const section = document.querySelector(".log-viewer[data-lines-url]");
if (section) await openLog(section);
live.stream.start();

// A connection may break at any moment: the page lives on without its log, and says where the log can be read.
async function openLog(place) {
  try {
    const { Viewer } = await import("./log/viewer.js");
    new Viewer(place, live.stream);
  } catch (error) {
    console.warn("The log viewer could not be loaded.", error);
    const note = document.createElement("p");
    note.className = "note warn";
    const link = document.createElement("a");
    link.href = place.dataset.rawUrl;
    link.textContent = "Read the log as plain text";
    note.append("The log viewer could not be loaded. Reload the page, or: ", link, ".");
    place.append(note);
  }
}
