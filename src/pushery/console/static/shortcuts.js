// The keyboard's short ways. A view that can be paused listens for "console:pause" on the window.
// Invariant: no key does anything while somebody writes, or while a dialog is open.

import { dialog, h } from "./ui.js";

const CHORD_MS = 1_200;
const LIST = [
  [["g", "o"], "Go to the overview"],
  [["g", "a"], "Go to the apps"],
  [["/"], "Search on this page"],
  [["p"], "Pause or resume the stream"],
  [["Ctrl", "Enter"], "Send, in the tab Push"],
  [["?"], "Show this list"],
  [["Esc"], "Close what is open"],
];

/** @param {{overview: () => void, apps: () => void}} ways */
export function listenToKeys(ways) {
  let chordUntil = 0;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || busy(event.target)) return;
    const inChord = event.timeStamp < chordUntil;
    chordUntil = event.key === "g" ? event.timeStamp + CHORD_MS : 0;
    if (act(event.key, inChord, ways)) event.preventDefault();
  });
}

/**
 * @param {string} key
 * @param {boolean} inChord
 * @param {{overview: () => void, apps: () => void}} ways whether the key meant something
 * @returns {boolean}
 */
function act(key, inChord, ways) {
  if (inChord && key === "o") return (ways.overview(), true);
  if (inChord && key === "a") return (ways.apps(), true);
  if (key === "?") return (showShortcuts(), true);
  if (key === "p") return (dispatchEvent(new Event("console:pause")), true);
  const search = /** @type {HTMLElement | null} */ (document.querySelector("main [data-search]"));
  if (key === "/" && search) return (search.focus(), true);
  return false;
}

/** @param {EventTarget | null} target */
function busy(target) {
  const writing =
    target instanceof HTMLElement &&
    target.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  return writing || document.querySelector("dialog[open]") !== null;
}

/** The list of them. */
export function showShortcuts() {
  const rows = LIST.map(([keys, what]) =>
    h(
      "div",
      null,
      h("dt", null, what),
      h(
        "dd",
        null,
        /** @type {string[]} */ (keys).map((key) => h("kbd", null, key)),
      ),
    ),
  );
  dialog({ title: "Keyboard shortcuts", body: h("dl", { class: "shortcuts" }, rows) });
}
