// The form of one webhook. It knows how a webhook looks, and not what becomes of it.

import { button, dialog, field, h, iconButton, notice, replace } from "../ui.js";

const MOST_HEADERS = 20;
/** What a webhook that names no events is told not: the server's own two. */
const NOT_BY_DEFAULT = ["connected", "disconnected"];
const MEANINGS = {
  channel_occupied: "Somebody is in a channel that was empty",
  channel_vacated: "Nobody is there any more",
  member_added: "A user is in a presence channel",
  member_removed: "The last socket of the user has left",
  client_event: "A client has sent an event",
  cache_miss: "A cache channel had nothing for a subscriber",
  subscription_count: "The number of subscribers has changed",
  connected: "A client has connected",
  disconnected: "Its socket is closed",
};

/** @param {{old: any, events: string[], save: (webhook: any) => Promise<void>}} options `old` is null for a new one */
export function editWebhook({ old, events, save }) {
  const url = field({
    label: "URL",
    type: "url",
    mono: true,
    required: true,
    value: old?.url,
    placeholder: "https://backend.example/hooks",
    attributes: { maxlength: 2000 },
  });
  const prefix = field({
    label: "Channels begin with",
    mono: true,
    value: old?.channel_prefix,
    placeholder: "any",
    attributes: { maxlength: 200 },
  });
  const suffix = field({
    label: "Channels end with",
    mono: true,
    value: old?.channel_suffix,
    placeholder: "any",
    attributes: { maxlength: 200 },
  });
  const chosen = old?.events?.length > 0 ? old.events : events.filter((event) => !NOT_BY_DEFAULT.includes(event));
  const boxes = events.map((event) => checkbox(event, chosen.includes(event)));
  const headers = headerList(old?.headers ?? {});
  const problem = h("div", null);
  const go = button(old ? "Save" : "Add", { kind: "primary", type: "submit" });
  const opened = dialog({
    title: old ? "Edit webhook" : "Add a webhook",
    wide: true,
    body: [
      url.element,
      h(
        "fieldset",
        { class: "events" },
        h("legend", null, "Events"),
        h(
          "div",
          { class: "event-boxes" },
          boxes.map((box) => box.element),
        ),
      ),
      h("div", { class: "two" }, prefix.element, suffix.element),
      h("p", { class: "hint" }, "With either, events without a channel (connected, disconnected) are not sent."),
      headers.element,
      problem,
    ],
    actions: [button("Cancel", { onclick: () => opened.close() }), go],
    onsubmit: send,
  });

  async function send() {
    const names = boxes.filter((box) => box.input.checked).map((box) => box.event);
    url.setError(/^https?:\/\/./.test(url.value) ? null : "An http:// or https:// URL.");
    if (!/^https?:\/\/./.test(url.value)) return url.input.focus();
    if (names.length === 0) return replace(problem, notice("Choose at least one event.", "bad"));
    go.disabled = true;
    try {
      await save(webhook(names));
      opened.close();
    } catch (error) {
      const { details, message } = /** @type {any} */ (error);
      replace(problem, notice(details?.problems?.join("; ") ?? message, "bad"));
      go.disabled = false;
    }
  }

  /** Members at their default are left out, as the server does. @param {string[]} names */
  function webhook(names) {
    const usual = events.filter((event) => !NOT_BY_DEFAULT.includes(event));
    const whole = {
      url: url.value.trim(),
      events: JSON.stringify(names) === JSON.stringify(usual) ? [] : names,
      channel_prefix: prefix.value,
      channel_suffix: suffix.value,
      headers: headers.value,
    };
    return Object.fromEntries(Object.entries(whole).filter(([, value]) => Object.keys(value).length > 0));
  }
}

/** @param {string} event @param {boolean} checked */
function checkbox(event, checked) {
  const input = h("input", { type: "checkbox", checked, name: event });
  const words = h("span", null, h("code", null, event), h("small", null, MEANINGS[/** @type {keyof typeof MEANINGS} */ (event)]));
  return { event, input, element: h("label", { class: "event-box" }, input, words) };
}

/** @param {Record<string, string>} given */
function headerList(given) {
  const list = h("div", { class: "stack tight" });
  const add = button("Add a header", { small: true, icon: "plus", onclick: () => line("", "") });

  /** @param {string} name @param {string} value */
  function line(name, value) {
    const inputs = [
      h("input", { class: "mono", value: name, placeholder: "X-Name", "aria-label": "Name of the header", spellcheck: "false" }),
      h("input", { class: "mono", value, placeholder: "value", "aria-label": "Value of the header", spellcheck: "false" }),
    ];
    const element = h(
      "div",
      { class: "header-line" },
      inputs,
      iconButton("trash", "Remove this header", () => element.remove()),
    );
    if (list.childElementCount < MOST_HEADERS) list.append(element);
    if (!name) inputs[0].focus();
  }

  Object.entries(given).forEach(([name, value]) => line(name, value));
  return {
    element: h("div", { class: "field" }, h("span", { class: "label" }, "Further headers"), list, h("div", null, add)),
    get value() {
      const pairs = [...list.children].map((element) => [...element.querySelectorAll("input")].map((input) => input.value.trim()));
      return Object.fromEntries(pairs.filter(([name]) => name));
    },
  };
}
