// The entry of every page: live fragments, small conveniences, and the log viewer where there is one.
import { startLive } from "./live.js";
import { startPage } from "./page.js";
import { startTheme } from "./theme.js";

startTheme();
startPage();
const live = startLive();

const section = document.querySelector(".log-viewer[data-lines-url]");
if (section) {
  const { openLog } = await import("./log/viewer.js");
  openLog(section, live.stream);
}
live.stream.start();
