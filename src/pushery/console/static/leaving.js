// Changes that are not saved hold back whoever leaves them: by a question, for addresses of the console, and by the
// browser's own for all others. What the changes are, and how they are saved, their view knows.
// Invariant: a form with such changes is taken away only after somebody has chosen so.

import { button, dialog, h } from "./ui.js";

/** @typedef {{changed: () => boolean, save: () => Promise<boolean>}} Unsaved `save` says whether all is saved now */

/** @type {Unsaved | null} */
let held = null;
/** @type {{close: () => void} | null} */
let question = null;
let step = 0;
let shownStep = 0;

/**
 * Hold whoever leaves back while there are changes; returns how to end that.
 * @param {Unsaved} unsaved
 */
export function holdBack(unsaved) {
  const warn = (/** @type {Event} */ leaving) => unsaved.changed() && leaving.preventDefault();
  held = unsaved;
  addEventListener("beforeunload", warn);
  return () => {
    removeEventListener("beforeunload", warn);
    if (held === unsaved) held = null;
  };
}

/** Whether the address that the page has now may be shown. With "no", the address that is shown comes back. */
export async function mayFollow() {
  count();
  if (held?.changed()) {
    if (step === shownStep) question?.close(); // the way back has been found without an answer
    if (step === shownStep || question) return false;
    const answer = await ask();
    const stays = answer === "stay" || (answer === "save" && !(await held.save()));
    if (stays) {
      if (step !== shownStep) history.go(shownStep - step);
      return false;
    }
  }
  shownStep = step;
  return true;
}

/** Number the entries of the browser's history, to know which way somebody went, and how far. */
function count() {
  step = history.state?.step ?? step + 1;
  history.replaceState({ step }, "");
}

/** @returns {Promise<string>} "stay", "discard" or "save" */
function ask() {
  return new Promise((resolve) => {
    let answer = "stay";
    const choose = (/** @type {string} */ chosen) => () => {
      answer = chosen;
      question?.close();
    };
    const save = button("Save", { kind: "primary", type: "submit" });
    save.autofocus = true;
    question = dialog({
      title: "Save what you changed?",
      body: h("p", null, "What you changed on this page is not saved yet, and is lost when you leave it."),
      actions: [
        button("Discard", { kind: "quiet", onclick: choose("discard") }),
        button("Keep editing", { onclick: choose("stay") }),
        save,
      ],
      onsubmit: choose("save"),
      onclose() {
        question = null;
        resolve(answer);
      },
    });
  });
}
