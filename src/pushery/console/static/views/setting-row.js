// One setting: its words, its control, its default, and the marks of what is changed and what is wrong.
// Invariant: `changed` compares values, so a change that is taken back is none.

import { badge, h, icon, replace } from "../ui.js";
import { settingControl } from "./setting-control.js";

const SPELLINGS = { tls: "TLS", gopusher: "GoPusher", ttl: "lifetime" };

/**
 * @param {any} setting as the schema has it
 * @param {any} value that the app has
 * @param {{locked: boolean, onchange: () => void}} options `locked`: only the operator may change it
 */
export function settingRow(setting, value, { locked, onchange }) {
  const { name, description } = setting;
  let held = value;
  const label = `setting-${name}`;
  const control = settingControl(setting, value, { locked, label, onchange: changes });
  const problem = h("p", { class: "field-error", id: `${label}-problem`, role: "alert", hidden: true });
  const marks = h("span", { class: "setting-marks" });
  const reset = h("button", { type: "button", class: "link", onclick: () => set(setting.default) }, "Reset");
  const foot = h("p", { class: "setting-default" }, "Default: ", h("code", null, shownValue(setting.default)), " ", reset);
  const element = h(
    "div",
    { class: "setting" },
    h(
      "div",
      { class: "setting-words" },
      h(
        "div",
        { class: "row" },
        h("label", { id: label, for: control.focusable?.id }, title(name)),
        name.includes("_") && h("code", { class: "faint" }, name),
        marks,
      ),
      h("p", { class: "hint", id: `${label}-hint` }, withCode(description)),
    ),
    h("div", { class: "setting-value" }, control.element, problem, foot),
  );

  const row = {
    name,
    group: setting.group,
    element,
    words: `${name} ${title(name)} ${description}`.toLowerCase(),
    get changed() {
      return !same(control.value, held);
    },
    get value() {
      return same(control.value, setting.default) ? null : control.value;
    },
    /** Say what the browser finds wrong already. @returns {boolean} whether anything is */
    complain() {
      const text = control.problem();
      row.setProblem(text);
      return Boolean(text);
    },
    /** @param {string | null} text */
    setProblem(text) {
      problem.textContent = text ?? "";
      problem.hidden = !text;
      element.classList.toggle("has-problem", Boolean(text));
      control.focusable?.setAttribute("aria-invalid", String(Boolean(text)));
    },
    restore: () => set(held),
    /** @param {any} now what the app has from now on */
    saved(now) {
      held = now;
      set(now);
    },
  };

  /** @param {any} next */
  function set(next) {
    control.set(next);
    changes();
  }

  function changes() {
    draw();
    row.setProblem(null);
    onchange();
  }

  function draw() {
    const isDefault = same(control.value, setting.default);
    element.classList.toggle("changed", row.changed);
    replace(
      marks,
      row.changed && badge("changed", "accent"),
      !isDefault && !row.changed && badge("not the default"),
      locked && h("span", { class: "locked", title: "Only the operator changes this." }, icon("lock")),
    );
    reset.hidden = isDefault || locked;
    foot.hidden = isDefault && setting.type === "boolean";
  }

  draw();
  return row;
}

/** max_event_bytes -> "Max event bytes", tls_only -> "TLS only". @param {string} name */
function title(name) {
  const words = name
    .split("_")
    .map((word) => SPELLINGS[/** @type {keyof typeof SPELLINGS} */ (word)] ?? word)
    .join(" ");
  return words[0].toUpperCase() + words.slice(1);
}

/** A description, with what stands in backticks as code. @param {string} text */
function withCode(text) {
  return text.split("`").map((piece, i) => (i % 2 === 1 ? h("code", null, piece) : piece));
}

/** @param {any} value */
function shownValue(value) {
  if (value === true) return "on";
  if (value === false) return "off";
  if (value === "" || (Array.isArray(value) && value.length === 0)) return "none";
  return typeof value === "number" ? value.toLocaleString("en") : String(value);
}

/** @param {any} one @param {any} other */
function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
