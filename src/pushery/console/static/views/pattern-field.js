// A box for an RE2 pattern, with what the server says of it below: a result, or the trouble under its character.
// Invariant: a problem is shown for the text it was found in, never for a newer one.

import { debounce, h, replace } from "../ui.js";
import { splitTrouble } from "../lib/patterns.js";

const REST_MS = 120;

/**
 * @param {{value: string, label?: string, onpattern: (text: string) => void}} options `onpattern` is called after a short rest.
 */
export function patternField({ value, label = "Pattern", onpattern }) {
  const rested = debounce(() => onpattern(input.value), REST_MS);
  const result = h("p", { class: "pattern-result", id: "pattern-result", role: "status" });
  const input = h("input", {
    class: "mono",
    type: "text",
    value,
    placeholder: "^A:   (empty: everyone)",
    "aria-label": label,
    "aria-describedby": "pattern-result",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    maxlength: 16_384,
    oninput: rested,
  });
  const element = h(
    "div",
    { class: "pattern-field" },
    h("div", { class: "pattern-box" }, h("span", { "aria-hidden": "true" }, "/"), input, h("span", { "aria-hidden": "true" }, "/")),
    result,
  );

  return {
    element,
    input,
    get value() {
      return input.value;
    },
    /** @param {string} text */
    set(text) {
      input.value = text;
      input.focus();
      onpattern(text);
    },
    /** @param {any} children what is known of a pattern without a problem */
    say(children) {
      replace(result, children);
    },
    /** @param {{message: string, position: number} | null} problem @param {string} text that it was found in */
    setProblem(problem, text) {
      input.setAttribute("aria-invalid", String(Boolean(problem)));
      if (problem && text === input.value) replace(result, trouble(problem, text));
    },
  };
}

/** @param {{message: string, position: number}} problem @param {string} text */
function trouble({ message, position }, text) {
  const { before, at, behind } = splitTrouble(text, position);
  return h(
    "span",
    { class: "pattern-trouble" },
    h("code", { "aria-hidden": "true" }, before, h("b", null, at || " "), behind),
    h("code", { class: "caret", "aria-hidden": "true" }, h("span", null, before), h("i", null, "^")),
    h("span", null, `${message}, at character ${position + 1}`),
  );
}
