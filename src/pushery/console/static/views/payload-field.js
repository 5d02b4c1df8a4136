// A box for what is sent: any text, with a word on whether it is JSON, and a button that sets JSON out.
// Invariant: nothing but that button changes the text.

import { button, field, h, pretty } from "../ui.js";

export function payloadField() {
  const format = button("Format", { small: true, kind: "quiet", onclick: () => set(pretty(box.value)) });
  const verdict = h("span", { class: "json-check", role: "status" });
  const box = field({ label: "Data", type: "textarea", mono: true, attributes: { rows: 8, maxlength: 1_048_576 }, oninput: judge });
  const label = /** @type {HTMLElement} */ (box.element.querySelector("label"));

  function judge() {
    const [text, tone] = judged(box.value);
    verdict.textContent = text;
    verdict.dataset.tone = tone;
    format.disabled = tone !== "good";
  }

  /** @param {string} text */
  function set(text) {
    box.value = text;
    judge();
  }

  judge();
  return {
    element: h(
      "div",
      { class: "data-field" },
      box.element,
      h("div", { class: "row" }, verdict, h("span", { class: "grow" }), format),
    ),
    input: box.input,
    set,
    setError: box.setError,
    /** @param {string} text */
    setLabel(text) {
      label.textContent = text;
    },
    get value() {
      return box.value;
    },
  };
}

/** Whether a text is JSON, in words, and how to feel about it. @param {string} text @returns {[string, string]} */
function judged(text) {
  if (!text.trim()) return ["", "none"];
  try {
    JSON.parse(text);
    return ["Valid JSON", "good"];
  } catch (error) {
    if (!/^\s*[[{"]/.test(text)) return ["Not JSON: sent as text", "none"];
    return [`Not valid JSON: ${/** @type {Error} */ (error).message.replace(/ in JSON at position \d+/, "")}`, "warn"];
  }
}
