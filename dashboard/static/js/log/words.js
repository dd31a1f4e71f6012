// Everything the log viewer says.
export const STEPS = {
  connect: "Connect",
  clone: "Clone",
  build: "Build",
  publish: "Publish",
  preflight: "Preflight",
  pull: "Pull",
  replace: "Replace",
  health: "Health",
  verify: "Verify",
  cleanup: "Clean up",
  restore: "Restore",
  runtime: "Output",
};

const NUMBERS = new Intl.NumberFormat("en");

export const number = (count) => NUMBERS.format(count);
export const lines = (count) => (count === 1 ? "1 line" : `${number(count)} lines`);
export const newLines = (count) => (count === 1 ? "1 new line" : `${number(count)} new lines`);
export const step = (key) => STEPS[key] ?? key;
