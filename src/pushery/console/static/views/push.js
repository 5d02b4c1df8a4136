// Sending a push or an event by hand. What was sent since the page was opened can be sent again (push-history.js).
// Invariant: what is sent is exactly the text in the box.

import { button, card, field, formatNumber, h, notice, plural, replace, segmented } from "../ui.js";
import { tabQuery } from "../lib/links.js";
import { newest } from "../lib/timing.js";
import { patternField } from "./pattern-field.js";
import { payloadField } from "./payload-field.js";
import { sentList } from "./push-history.js";

const MODES = [
  { value: "push", label: "Push to tags" },
  { value: "event", label: "Event on channels" },
];

/** @param {any} ctx */
export default async function view({ params, api, app }) {
  const form = pushForm({ api, key: params.key, settings: app.settings, query: tabQuery(), onsent: (sent) => history.add(sent) });
  const history = sentList(params.key, form.fill);
  return {
    element: h(
      "div",
      { class: "push-columns" },
      card({ title: "Send" }, form.element),
      card({ title: "Sent from here" }, history.element),
    ),
    dispose: form.dispose,
  };
}

/** @param {{api: any, key: string, settings: any, query: URLSearchParams, onsent: (sent: import("./push-history.js").Sent) => void}} options */
function pushForm({ api, key, settings, query, onsent }) {
  const only = !settings.gopusher && settings.pusher;
  const receivers = receiversField({
    api,
    key,
    most: settings.max_event_channels,
    query,
    mode: query.get("channel") || only ? "event" : "push",
  });
  const payload = payloadField();
  const go = button("Send", { kind: "primary", icon: "send", type: "submit" });
  const outcome = h("div", { class: "outcome" });
  receivers.onmode((mode) => {
    replace(outcome);
    payload.setLabel(mode === "push" ? "Content" : "Data");
  });

  /** What the form says; null when something is missing, which is then said there. */
  function order() {
    const to = receivers.read();
    const needed = receivers.mode === "push" && !payload.value;
    payload.setError(needed ? "A push needs a content." : null);
    if (!to || needed) return null;
    return to.mode === "push" ? { ...to, content: payload.value } : { ...to, data: payload.value };
  }

  async function send() {
    const ordered = order();
    if (!ordered) return /** @type {HTMLElement | null} */ (element.querySelector("[aria-invalid='true']"))?.focus();
    go.disabled = true;
    try {
      const { total } = await deliver(api, key, ordered);
      onsent({ ...ordered, total, at_ms: Date.now() });
      replace(
        outcome,
        total > 0
          ? notice(`Handed to ${plural(total, "socket")}.`, "good")
          : notice("Sent, but nobody was there to get it.", "warn"),
      );
    } catch (error) {
      replace(outcome, notice(/** @type {Error} */ (error).message, "bad"));
    }
    go.disabled = false;
  }

  const element = h(
    "form",
    {
      class: "form",
      oninput: () => replace(outcome), // it speaks of what was sent, not of what is being written
      onsubmit(/** @type {Event} */ submitted) {
        submitted.preventDefault();
        send();
      },
      onkeydown(/** @type {KeyboardEvent} */ pressed) {
        if (pressed.key === "Enter" && (pressed.ctrlKey || pressed.metaKey)) element.requestSubmit();
      },
    },
    receivers.element,
    payload.element,
    h("div", { class: "row" }, go, h("span", { class: "hint shortcut-hint" }, h("kbd", null, "Ctrl"), " ", h("kbd", null, "Enter"))),
    outcome,
  );
  return {
    element,
    dispose: receivers.dispose,
    /** Put in again what was sent. @param {import("./push-history.js").Sent} sent */
    fill(sent) {
      receivers.fill(sent);
      payload.set(sent.mode === "push" ? sent.content : sent.data);
      payload.input.focus();
    },
  };
}

/**
 * To whom: a pattern over tags, or channels and an event. Says how many tags a pattern matches while it is written.
 * @param {{api: any, key: string, most: number, query: URLSearchParams, mode: string}} options `most`: channels of one event
 */
function receiversField({ api, key, most, query, mode }) {
  const pattern = patternField({ value: query.get("pattern") ?? "", onpattern: (text) => preview(text) });
  const hint = `Names with commas between, up to ${formatNumber(most)}.`;
  const channels = field({ label: "Channels", mono: true, value: query.get("channel") ?? "", placeholder: "news, orders", hint });
  const event = field({ label: "Event", mono: true, placeholder: "headline" });
  const target = h("div", { class: "stack" });
  /** @type {(mode: string) => void} */
  let told = () => {};
  const modes = segmented({ label: "What to send", options: MODES, value: mode, onchange: show });
  const preview = newest(
    (/** @type {string} */ text) => api.get(api.path("apps", key, "tags"), { pattern: text, limit: 1 }),
    ({ problem, matched, total }, text) => {
      pattern.setProblem(problem, text);
      const all = plural(total, "tag");
      if (!problem) pattern.say(text ? `Matches ${formatNumber(matched)} of ${all} online` : `Everyone: ${all} online`);
    },
    (error) => pattern.say(error.message),
  );

  /** @param {string} chosen */
  function show(chosen) {
    const whom = h("div", { class: "field" }, h("span", { class: "label" }, "To whom: a pattern over tags"), pattern.element);
    replace(target, chosen === "push" ? whom : [channels.element, event.element]);
    if (chosen === "push") preview(pattern.value);
    told(chosen);
  }

  function readEvent() {
    const names = channels.value
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    const name = event.value.trim();
    channels.setError(names.length > 0 ? null : "Name at least one channel.");
    event.setError(name ? null : "An event needs a name.");
    return names.length > 0 && name ? { mode: /** @type {const} */ ("event"), channels: names, name } : null;
  }

  show(mode);
  return {
    element: h("div", { class: "stack" }, modes, target),
    dispose: () => preview.stop(),
    get mode() {
      return modes.value;
    },
    read: () => (modes.value === "push" ? { mode: /** @type {const} */ ("push"), pattern: pattern.value } : readEvent()),
    /** Call it now, and when another mode is chosen. @param {(mode: string) => void} listener */
    onmode(listener) {
      told = listener;
      listener(modes.value);
    },
    /** @param {import("./push-history.js").Sent} sent */
    fill(sent) {
      if (sent.mode === "push") {
        pattern.input.value = sent.pattern;
      } else {
        channels.value = sent.channels.join(", ");
        event.value = sent.name;
      }
      /** @type {HTMLElement} */ (modes.children[MODES.findIndex(({ value }) => value === sent.mode)]).click();
    },
  };
}

/** @param {any} api @param {string} key @param {import("./push-history.js").Push | import("./push-history.js").AppEvent} ordered @returns {Promise<{total: number}>} */
function deliver(api, key, ordered) {
  if (ordered.mode === "push") {
    const { content, pattern } = ordered;
    return api.post(api.path("apps", key, "push"), pattern ? { content, pattern } : { content });
  }
  const { name, channels, data } = ordered;
  return api.post(api.path("apps", key, "events"), { name, channels, data });
}
