// The vocabulary every view is written in: an element builder and the parts made with it (see style.css).
// Not here: data, routes, dialogs' machinery (dialogs.js). Texts become text nodes, always: nothing a client or an app
// calls itself is ever parsed as HTML.

import { icon } from "./icons.js";

export { confirm, dialog, toast } from "./dialogs.js";
export * from "./format.js";
export { icon } from "./icons.js";

/** @typedef {Node | string | number | null | undefined | false | any[]} Child */

const PROPERTIES = new Set(["value", "checked", "disabled", "indeterminate", "selected", "hidden", "open"]);

/**
 * An element: `h("button", {class: "button", onclick: save, "aria-label": "Save"}, "Save")`.
 * Functions named on… become listeners, `style` and `dataset` take objects, null, undefined and false leave an
 * attribute out.
 * @param {string} tag @param {Record<string, any> | null} [props] @param {...Child} children @returns {any}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) setProp(element, name, value);
  append(element, children);
  return element;
}

/** @param {any} element @param {string} name @param {any} value */
function setProp(element, name, value) {
  if (value === undefined || value === null) return;
  if (name.startsWith("on") && typeof value === "function") return element.addEventListener(name.slice(2), value);
  if (name === "style") {
    for (const [key, text] of Object.entries(value)) element.style.setProperty(key, String(text));
    return;
  }
  if (name === "dataset") return void Object.assign(element.dataset, value);
  if (PROPERTIES.has(name)) return void (element[name] = value);
  if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
}

/** Append children of any kind, nested lists too. @param {Node} parent @param {Child[]} children */
export function append(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Put children in place of what is there. @param {Element} parent @param {...Child} children */
export function replace(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/**
 * A button. `kind`: "primary" | "plain" (default) | "quiet" | "danger".
 * @param {string} label
 * @param {{onclick?: (event: MouseEvent) => void, kind?: string, icon?: string, type?: string, small?: boolean,
 *   disabled?: boolean, title?: string, class?: string}} [options]
 */
export function button(label, options = {}) {
  const classes = `button ${options.kind ?? "plain"}${options.small ? " small" : ""} ${options.class ?? ""}`;
  return h(
    "button",
    {
      type: options.type ?? "button",
      class: classes.trim(),
      onclick: options.onclick,
      disabled: options.disabled,
      title: options.title,
    },
    options.icon && icon(options.icon),
    h("span", null, label),
  );
}

/**
 * A square button that shows an icon alone; `label` is what it is called.
 * @param {string} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} [onclick]
 */
export function iconButton(name, label, onclick) {
  return h(
    "button",
    { type: "button", class: "button quiet icon-only", "aria-label": label, title: label, onclick },
    icon(name),
  );
}

/**
 * A link that looks like a button.
 * @param {string} label
 * @param {string} href
 * @param {{kind?: string, icon?: string}} [options]
 */
export function linkButton(label, href, options = {}) {
  return h(
    "a",
    { class: `button ${options.kind ?? "plain"}`, href },
    options.icon && icon(options.icon),
    h("span", null, label),
  );
}

/**
 * A small label. `tone`: "neutral" | "accent" | "good" | "warn" | "bad".
 * @param {string} text
 * @param {string} [tone]
 */
export function badge(text, tone = "neutral") {
  return h("span", { class: `badge ${tone}` }, text);
}

/**
 * The head of a page: title, a line below it, actions to its right.
 * @param {{title: Child, sub?: Child, actions?: Child[], back?: {href: string, label: string}}} options
 */
export function pageHeader({ title, sub, actions = [], back }) {
  return h(
    "header",
    { class: "page-header" },
    h(
      "div",
      { class: "page-title" },
      back && h("a", { class: "back", href: back.href }, icon("back"), back.label),
      h("h1", { tabindex: "-1" }, title),
      sub && h("p", { class: "sub" }, sub),
    ),
    actions.length > 0 && h("div", { class: "actions" }, actions),
  );
}

/**
 * A section with a border.
 * @param {{title?: Child, hint?: Child, actions?: Child[], class?: string, flush?: boolean}} options
 * @param {...Child} children
 */
export function card(options, ...children) {
  const { title, hint, actions = [], flush } = options;
  return h(
    "section",
    { class: `card ${flush ? "flush" : ""} ${options.class ?? ""}`.trim() },
    (title || actions.length > 0) &&
      h(
        "div",
        { class: "card-head" },
        h("div", null, title && h("h2", null, title), hint && h("p", { class: "hint" }, hint)),
        actions.length > 0 && h("div", { class: "actions" }, actions),
      ),
    h("div", { class: "card-body" }, children),
  );
}

/**
 * What a place says that has nothing to show yet, and what to do about it.
 * @param {string} title
 * @param {Child} text
 * @param {Child} [action]
 * @param {string} [iconName]
 * @param {string} [heading] "h1" where it is all that the page says
 */
export function emptyState(title, text, action, iconName = "empty", heading = "h2") {
  return h(
    "div",
    { class: "empty" },
    h("div", { class: "empty-mark" }, icon(iconName)),
    h(heading, null, title),
    h("p", null, text),
    action && h("div", { class: "actions" }, action),
  );
}

/**
 * A line in a coloured box. `tone`: "info" | "good" | "warn" | "bad".
 * @param {Child} text
 * @param {string} [tone]
 * @param {Child} [action]
 */
export function notice(text, tone = "info", action) {
  return h(
    "div",
    { class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" },
    icon(tone === "good" ? "check" : "info"),
    h("div", { class: "grow" }, text),
    action,
  );
}

/** Grey bars in place of what is being fetched. @param {number} [rows] */
export function skeleton(rows = 4) {
  return h(
    "div",
    { class: "skeleton", "aria-busy": "true", "aria-label": "Loading" },
    Array.from({ length: rows }, () => h("div", null)),
  );
}

/** Terms and values. @param {[string, Child][]} pairs */
export function keyValues(pairs) {
  return h(
    "dl",
    { class: "key-values" },
    pairs.map(([term, value]) => h("div", null, h("dt", null, term), h("dd", null, value))),
  );
}

/**
 * Links between the parts of a page.
 * @param {{label: string, href: string, current?: boolean}[]} items
 * @param {string} label
 */
export function tabs(items, label) {
  return h(
    "nav",
    { class: "tabs", "aria-label": label },
    items.map((item) => h("a", { href: item.href, "aria-current": item.current ? "page" : null }, item.label)),
  );
}

/**
 * One of a few, side by side. Its element has `.value`.
 * @param {{label: string, options: {value: string, label: string}[], value: string, onchange: (value: string) =>
 * void}} options
 */
export function segmented({ label, options, value, onchange }) {
  const buttons = options.map((option) =>
    h(
      "button",
      { type: "button", "aria-pressed": String(option.value === value), onclick: () => choose(option.value) },
      option.label,
    ),
  );
  const element = h("div", { class: "segmented", role: "group", "aria-label": label }, buttons);
  /** @param {string} chosen */
  function choose(chosen) {
    element.value = chosen;
    buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(options[i].value === chosen)));
    onchange(chosen);
  }
  element.value = value;
  return element;
}

/**
 * Copies a text, and says so.
 * @param {string | (() => string)} text
 * @param {string} [label] what is copied: "Copy key"
 * @param {boolean} [withText]
 */
export function copyButton(text, label = "Copy", withText = false) {
  const element = withText ? button(label, { icon: "copy", small: true }) : iconButton("copy", label);
  element.addEventListener("click", async () => {
    await copyText(typeof text === "function" ? text() : text);
    element.classList.add("done");
    element.querySelector("svg")?.replaceWith(icon("check"));
    setTimeout(() => {
      element.classList.remove("done");
      element.querySelector("svg")?.replaceWith(icon("copy"));
    }, 1500);
  });
  return element;
}

/** Copy; also where the page is not served over TLS and browsers hide the clipboard. @param {string} text */
async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "off-screen", value: text, "aria-hidden": "true" });
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/**
 * A text in monospace with a copy button; `hidden` shows dots until asked.
 * @param {string} text
 * @param {{hidden?: boolean, label?: string}} [options]
 */
export function secret(text, { hidden = true, label = "secret" } = {}) {
  const shown = h("code", { class: "secret-text" }, hidden ? "•".repeat(16) : text);
  let open = !hidden;
  const reveal = iconButton("eye", `Show ${label}`, () => {
    open = !open;
    shown.textContent = open ? text : "•".repeat(16);
    reveal.setAttribute("aria-label", `${open ? "Hide" : "Show"} ${label}`);
  });
  return h("span", { class: "secret" }, shown, hidden && reveal, copyButton(text, `Copy ${label}`));
}

/** Lines of code with a copy button. @param {string} text @param {{label?: string}} [options] */
export function codeBlock(text, { label = "Copy code" } = {}) {
  return h("div", { class: "code-block" }, h("pre", { tabindex: "0" }, h("code", null, text)), copyButton(text, label));
}

/**
 * Call after a rest, with the last arguments.
 * @template {any[]} A
 * @param {(...args: A) => void} call
 * @param {number} [restMs]
 */
export function debounce(call, restMs = 200) {
  let timer = 0;
  return (/** @type {A} */ ...args) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => call(...args), restMs);
  };
}

export { field, searchField, switchField } from "./forms.js";
export { pager, table } from "./tables.js";
