// What was sent by hand, of each app, the newest first. It is kept as long as the page lives, and nowhere else.

import { button, formatNumber, formatTime, h, replace } from "../ui.js";

const MOST = 30;

/**
 * @typedef {{mode: "push", content: string, pattern: string}} Push
 * @typedef {{mode: "event", channels: string[], name: string, data: string}} AppEvent
 * @typedef {(Push | AppEvent) & {total: number, at_ms: number}} Sent
 */

/** @type {Map<string, Sent[]>} */
const sent = new Map();

/** @param {string} key of the app @param {(each: Sent) => void} again what "Use again" does */
export function sentList(key, again) {
  const element = h("ol", { class: "sent" });

  function draw() {
    const all = sent.get(key) ?? [];
    const nothing = h("li", { class: "hint" }, "Nothing yet. What you send stays here until the page is closed.");
    replace(element, all.length > 0 ? all.map((each) => item(each, again)) : nothing);
  }

  draw();
  return {
    element,
    /** @param {Sent} each */
    add(each) {
      sent.set(key, [each, ...(sent.get(key) ?? [])].slice(0, MOST));
      draw();
    },
  };
}

/** @param {Sent} each @param {(each: Sent) => void} again */
function item(each, again) {
  const text = each.mode === "push" ? each.content : each.data;
  return h(
    "li",
    null,
    h(
      "div",
      { class: "row" },
      h("span", { class: "faint" }, formatTime(each.at_ms)),
      h("span", { class: "grow truncate" }, receivers(each)),
      h("span", { class: each.total > 0 ? "total" : "total none" }, `→ ${formatNumber(each.total)}`),
    ),
    h(
      "div",
      { class: "row" },
      h("code", { class: "grow truncate muted" }, text),
      button("Use again", { small: true, kind: "quiet", onclick: () => again(each) }),
    ),
  );
}

/** @param {Sent} each */
function receivers(each) {
  if (each.mode === "event") return [h("strong", null, each.name), " on ", h("code", null, each.channels.join(", "))];
  return each.pattern ? h("code", null, each.pattern) : "everyone";
}
