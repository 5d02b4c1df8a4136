// The controls of settings by their type. Each reads and writes the value that the API has, not its text.

import { button, formatNumber, h, iconButton, replace } from "../ui.js";

/**
 * @typedef {{element: HTMLElement, focusable: HTMLElement | null, value: any, set: (value: any) => void,
 *   problem: () => string | null}} Control
 * @typedef {{locked: boolean, label: string, onchange: () => void}} Options `label` is the id of the label
 */

/** @param {any} setting @param {any} value @param {Options} options @returns {Control} */
export function settingControl(setting, value, options) {
  const control = { boolean: onOff, integer: number, number, string: text, strings: texts }[/** @type {"string"} */ (setting.type)];
  return control(setting, value, options);
}

/** What every control of one element says about itself. @param {any} setting @param {Options} options */
function common({ name }, { locked, label }) {
  return {
    id: `${label}-input`,
    name,
    disabled: locked,
    "aria-describedby": `${label}-hint ${label}-problem`,
    autocomplete: "off",
    spellcheck: "false",
  };
}

/** @param {any} setting @param {any} value @param {Options} options @returns {Control} */
function onOff(setting, value, options) {
  const input = h("input", {
    ...common(setting, options),
    type: "checkbox",
    role: "switch",
    checked: value,
    onchange: options.onchange,
  });
  return {
    element: h("span", { class: "switch" }, input, h("span", { "aria-hidden": "true" })),
    focusable: input,
    get value() {
      return input.checked;
    },
    set: (next) => (input.checked = next),
    problem: () => null,
  };
}

/** @param {any} setting @param {any} value @param {Options} options @returns {Control} */
function number(setting, value, options) {
  const { type, minimum, maximum } = setting;
  const input = h("input", {
    ...common(setting, options),
    type: "number",
    class: "mono",
    min: minimum,
    max: maximum,
    step: type === "integer" ? 1 : "any",
    value,
    oninput: options.onchange,
  });
  const bounds = `A number from ${minimum} to ${formatNumber(maximum)}${type === "integer" ? ", without a fraction" : ""}.`;
  return {
    element: input,
    focusable: input,
    get value() {
      return input.value === "" ? input.value : Number(input.value);
    },
    set: (next) => (input.value = String(next)),
    problem: () => (input.validity.valid && input.value !== "" ? null : bounds),
  };
}

/** @param {any} setting @param {any} value @param {Options} options @returns {Control} */
function text(setting, value, options) {
  const input = h("input", {
    ...common(setting, options),
    type: "text",
    class: "mono",
    maxlength: setting.max_length,
    placeholder: "none",
    value,
    oninput: options.onchange,
  });
  return {
    element: input,
    focusable: input,
    get value() {
      return input.value;
    },
    set: (next) => (input.value = next),
    problem: () => null,
  };
}

/** A list of texts, each in a box of its own, for some have several lines. @param {any} setting @param {any} value @param {Options} options @returns {Control} */
function texts(setting, value, options) {
  const { locked, label, onchange } = options;
  const list = h("div", { class: "stack tight" });
  const add = button("Add", { icon: "plus", small: true, disabled: locked, onclick: () => addItem("").focus() });
  add.setAttribute("aria-describedby", label);

  /** @param {string} content */
  function addItem(content) {
    const area = h("textarea", {
      class: "mono one-line",
      rows: 1,
      value: content,
      disabled: locked,
      "aria-label": `Entry of ${setting.name}`,
      spellcheck: "false",
      oninput: onchange,
    });
    const remove = iconButton("trash", "Remove", () => {
      item.remove();
      add.focus();
      onchange();
    });
    remove.disabled = locked;
    const item = h("div", { class: "list-item" }, area, remove);
    list.append(item);
    return area;
  }

  /** @param {string[]} next */
  function set(next) {
    replace(list);
    next.forEach(addItem);
  }

  set(value);
  return {
    element: h("div", { class: "stack tight list-control", id: `${label}-list` }, list, h("div", null, add)),
    focusable: null,
    get value() {
      return [...list.querySelectorAll("textarea")].map((area) => area.value.trim()).filter(Boolean);
    },
    set,
    problem: () => null,
  };
}
