// The panel beside the stream: one sighting with all that is known of it, its payload set out and copyable.

import { copyButton, h, iconButton, keyValues, notice, plural, pretty, replace } from "../ui.js";
import { factsOf, kindOf } from "./sightings.js";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** @param {() => void} onclose @returns {{element: HTMLElement, show: (seen: any) => void, hide: () => void}} */
export function inspector(onclose) {
  const title = h("h2", null, "");
  const body = h("div", { class: "inspector-body" });
  const element = h(
    "aside",
    { class: "inspector", "aria-label": "Details", hidden: true },
    h("header", null, title, iconButton("close", "Close the details", onclose)),
    body,
  );
  return {
    element,
    show(seen) {
      const { label, family } = kindOf(seen.kind);
      replace(title, h("i", { class: "mark" }), label);
      element.dataset.family = family;
      replace(body, keyValues(factsOf(seen)), payload(seen), whole(seen));
      body.scrollTop = 0;
      element.hidden = false;
    },
    hide() {
      element.hidden = true;
    },
  };
}

/** @param {any} seen */
function payload(seen) {
  if (seen.encrypted) {
    return notice(
      "End-to-end encrypted: only the clients of this channel have the key. " +
        "The server passes it on without being able to read it.",
      "info",
    );
  }
  if (seen.data === undefined) return null;
  const text = pretty(seen.data);
  return h(
    "section",
    { class: "payload" },
    h("div", { class: "payload-head" }, h("h3", null, "Payload"), copyButton(seen.data, "Copy the payload")),
    seen.cut && notice(`Cut: the first ${plural(seen.data.length, "character")} are shown.`, "warn"),
    h("pre", { tabindex: "0" }, h("code", null, text === seen.data && seen.cut ? text : coloured(text))),
  );
}

/** @param {any} seen */
function whole(seen) {
  const text = JSON.stringify(seen, null, 2);
  return h("div", { class: "row" }, copyButton(text, "Copy all of it as JSON", true));
}

/** JSON with its parts in colours. @param {string} text @returns {(Node | string)[]} */
function coloured(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [all, string, colon, word] = match;
    parts.push(
      text.slice(at, match.index),
      h(
        "span",
        { class: string ? (colon ? "json-name" : "json-text") : word ? "json-word" : "json-number" },
        string ?? all,
      ),
      colon ?? "",
    );
    at = Number(match.index) + all.length;
  }
  return [...parts, text.slice(at)];
}
