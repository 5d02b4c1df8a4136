// Inputs with their label, hint and error. What a form means and where it goes is its view's business.
// Invariant: every input has a label, and its hint and error are tied to it by aria-describedby.

import { debounce, h } from "./ui.js";
import { icon } from "./icons.js";

let ids = 0;

/**
 * A labelled input. `type`: any of <input>, or "textarea" | "select" (with `options`). More attributes go in
 * `attributes`.
 * @param {{label: string, name?: string, type?: string, value?: any, hint?: any, required?: boolean, placeholder?:
 * string,
 *   options?: (string | {value: string, label: string})[], mono?: boolean, attributes?: Record<string, any>,
 *   oninput?: (value: string) => void}} options
 * @returns {{element: HTMLElement, input: any, value: string, setError: (text: string | null) => void}}
 */
export function field(options) {
  const id = `field-${(ids += 1)}`;
  const input = control(id, options);
  input.classList.toggle("mono", Boolean(options.mono));
  input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  if (options.oninput) input.addEventListener("input", () => options.oninput?.(input.value));
  const error = h("p", { class: "field-error", id: `${id}-error`, role: "alert", hidden: true });
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, options.label),
    input,
    h("p", { class: "hint", id: `${id}-hint`, hidden: !options.hint }, options.hint),
    error,
  );
  return {
    element,
    input,
    get value() {
      return input.value;
    },
    set value(text) {
      input.value = text;
    },
    setError(text) {
      error.textContent = text ?? "";
      error.hidden = !text;
      input.setAttribute("aria-invalid", String(Boolean(text)));
    },
  };
}

/** @param {string} id @param {any} options */
function control(id, options) {
  const { type = "text", name, required, placeholder, attributes = {} } = options;
  const common = { id, name, required, placeholder, autocomplete: "off", spellcheck: "false", ...attributes };
  if (type === "select") {
    const choices = options.options.map((/** @type {any} */ choice) =>
      typeof choice === "string" ? { value: choice, label: choice } : choice,
    );
    const select = h(
      "select",
      common,
      choices.map((/** @type {any} */ choice) => h("option", { value: choice.value }, choice.label)),
    );
    if (options.value !== undefined) select.value = options.value;
    return select;
  }
  if (type === "textarea") return h("textarea", { rows: 5, ...common, value: options.value ?? "" });
  return h("input", { ...common, type, value: options.value ?? "" });
}

/**
 * On or off. `.checked` reads it.
 * @param {{label: string, name?: string, checked?: boolean, hint?: any, disabled?: boolean, onchange?: (checked:
 * boolean) => void}} options
 */
export function switchField({ label, name, checked = false, hint, disabled, onchange }) {
  const id = `field-${(ids += 1)}`;
  const input = h("input", {
    id,
    name,
    type: "checkbox",
    role: "switch",
    checked,
    disabled,
    "aria-describedby": `${id}-hint`,
  });
  if (onchange) input.addEventListener("change", () => onchange(input.checked));
  const element = h(
    "div",
    { class: "switch-field" },
    h("div", null, h("label", { for: id }, label), h("p", { class: "hint", id: `${id}-hint`, hidden: !hint }, hint)),
    h("span", { class: "switch" }, input, h("span", { "aria-hidden": "true" })),
  );
  return {
    element,
    input,
    get checked() {
      return input.checked;
    },
    set checked(on) {
      input.checked = on;
    },
  };
}

/**
 * A search box; the key `/` goes to the first one of the page. `oninput` is called after a short rest.
 * @param {{label: string, placeholder?: string, value?: string, mono?: boolean, oninput: (value: string) => void}}
 * options
 */
export function searchField({ label, placeholder, value = "", mono = false, oninput }) {
  const rested = debounce(oninput, 150);
  const input = h("input", {
    type: "search",
    class: mono ? "mono" : null,
    "aria-label": label,
    placeholder: placeholder ?? label,
    value,
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => rested(input.value),
    dataset: { search: "" },
  });
  return h("div", { class: "search-field" }, icon("search"), input, h("kbd", { "aria-hidden": "true" }, "/"));
}
