// What comes over the page: dialogs, questions, toasts. Built on <dialog>, which traps the focus and closes by Esc
// itself.
// Invariant: when a dialog is gone, the focus is back where it was, and its element is out of the document.

import { button, h, iconButton } from "./ui.js";
import { icon } from "./icons.js";

const TOAST_MS = 5_000;
let ids = 0;

/**
 * Open a dialog. `side`: a panel at the right edge. `onsubmit` makes the body a form that Enter sends.
 * @param {{title: string, body: any, actions?: any[], side?: boolean, wide?: boolean, onclose?: () => void,
 * onsubmit?: () => void}} options
 * @returns {{element: HTMLDialogElement, close: () => void}}
 */
export function dialog({ title, body, actions = [], side = false, wide = false, onclose, onsubmit }) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const id = `dialog-${(ids += 1)}`;
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    onsubmit?.();
  };
  const element = h(
    "dialog",
    { class: side ? "side" : wide ? "wide" : null, "aria-labelledby": id },
    h(
      "form",
      { method: "dialog", class: "dialog", onsubmit: send, novalidate: true },
      h(
        "header",
        null,
        h("h2", { id }, title),
        iconButton("close", "Close", () => element.close()),
      ),
      h("div", { class: "dialog-body" }, body),
      actions.length > 0 && h("footer", null, actions),
    ),
  );
  element.addEventListener("close", () => {
    element.remove();
    if (before?.isConnected) before.focus();
    onclose?.();
  });
  // A press that begins and ends on the dimmed page closes; a selection dragged out of a field does not.
  let pressed = false;
  element.addEventListener("pointerdown", (/** @type {Event} */ event) => (pressed = event.target === element));
  element.addEventListener(
    "click",
    (/** @type {Event} */ event) => pressed && event.target === element && element.close(),
  );
  document.body.append(element);
  element.showModal();
  element.querySelector("[autofocus], .dialog-body input, .dialog-body textarea, .dialog-body select")?.focus();
  return { element, close: () => element.close() };
}

/**
 * Ask, and wait for the answer. With `typed`, that text has to be written first (for what cannot be undone).
 * @param {{title: string, text: any, action: string, danger?: boolean, typed?: string}} options @returns
 * {Promise<boolean>}
 */
export function confirm({ title, text, action, danger = false, typed }) {
  return new Promise((resolve) => {
    let answer = false;
    const go = button(action, { kind: danger ? "danger" : "primary", type: "submit", disabled: Boolean(typed) });
    const check = h("input", {
      id: `typed-${ids}`,
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      class: "mono",
    });
    check.addEventListener("input", () => (go.disabled = check.value !== typed));
    const question =
      typed &&
      h("div", { class: "field" }, h("label", { for: check.id }, "Type ", h("code", null, typed), " to go on"), check);
    const opened = dialog({
      title,
      body: [h("p", null, text), question],
      actions: [button("Cancel", { onclick: () => opened.close() }), go],
      onsubmit() {
        if (typed && check.value !== typed) return;
        answer = true;
        opened.close();
      },
      onclose: () => resolve(answer),
    });
  });
}

/**
 * A line that goes away by itself, and is read out. `tone`: "good" | "bad" | "info".
 * @param {string} text
 * @param {string} [tone]
 */
export function toast(text, tone = "good") {
  const shelf = toastShelf();
  const element = h(
    "div",
    { class: `toast ${tone}` },
    icon(tone === "good" ? "check" : "info"),
    h("span", { class: "grow" }, text),
    iconButton("close", "Dismiss", () => element.remove()),
  );
  shelf.append(element);
  setTimeout(() => element.remove(), TOAST_MS);
}

/** The one place of toasts; as a popover it stands above an open dialog too. */
function toastShelf() {
  let shelf = document.getElementById("toasts");
  if (!shelf) {
    shelf = h("div", { id: "toasts", role: "status", "aria-live": "polite", popover: "manual" });
    document.body.append(/** @type {HTMLElement} */ (shelf));
  }
  const place = /** @type {HTMLElement} */ (shelf);
  if (place.matches(":popover-open")) place.hidePopover();
  place.showPopover();
  return place;
}
