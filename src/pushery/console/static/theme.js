// Light, dark, or as the system has it. The choice is remembered by this browser and set on <html data-theme>,
// before the first paint. Invariant: without a choice there is no attribute, and the style sheet follows the system.

const KEY = "pushery-theme";
const CHOICES = ["system", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");

/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {string} "system" | "light" | "dark" */
export function theme() {
  try {
    const chosen = localStorage.getItem(KEY) ?? "system";
    return CHOICES.includes(chosen) ? chosen : "system";
  } catch {
    return "system"; // a browser that keeps nothing for this site
  }
}

/** Choose, remember and show. @param {string} choice */
export function setTheme(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // It holds for this page, then.
  }
  show(choice);
}

/** The choice that comes after this one. @param {string} choice */
export function nextTheme(choice) {
  return CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
}

/** Be told when the colours change; returns how to stop that. @param {() => void} listener */
export function onThemeChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {string} choice */
function show(choice) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  for (const listener of listeners) listener();
}

show(theme());
system.addEventListener("change", () => show(theme()));
