// What happens in an app, as it happens: the newest on top, filtered by kind and text, paused and inspected.
// Invariant: at most CAP sightings are kept, and the list never moves under somebody who has scrolled down or paused.

import { button, formatNumber, h, linkButton, notice, replace, searchField } from "../ui.js";
import { inspector } from "./inspector.js";
import { KINDS, mentions, rowOf } from "./sightings.js";

const CAP = 1_000;
const AT_TOP_PX = 4;

/** @param {any} ctx */
export default async function view({ params, feed }) {
  const stream = new Stream(params.key);
  const leave = feed.subscribe(`private-stream-${params.key}`, {
    sightings: (/** @type {any} */ batch) => stream.take(batch),
    error: (/** @type {any} */ error) =>
      stream.say(`The stream cannot be watched: ${error?.error ?? "the server refused it"}.`),
  });
  const pause = () => stream.pause(!stream.paused);
  const escape = (/** @type {KeyboardEvent} */ event) =>
    event.key === "Escape" && !document.querySelector("dialog[open]") && stream.close();
  addEventListener("console:pause", pause);
  addEventListener("keydown", escape);
  return {
    element: stream.element,
    dispose() {
      leave();
      removeEventListener("console:pause", pause);
      removeEventListener("keydown", escape);
    },
  };
}

class Stream {
  paused = false;
  /** @type {any[]} The newest first. */
  #kept = [];
  /** @type {any[]} What came while nothing may move; the newest first. */
  #waiting = [];
  #seen = 0;
  #received = 0;
  /** @type {Set<string>} Empty: all. */
  #kinds = new Set();
  #text = "";
  /** @type {WeakMap<HTMLElement, any>} */
  #sightings = new WeakMap();
  /** @type {HTMLElement | null} */
  #opened = null;

  /** @param {string} key of the app */
  constructor(key) {
    this.list = h("div", {
      class: "sightings",
      role: "group",
      "aria-label": "Sightings, the newest first",
      onscroll: () => this.#settle(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#step(event),
    });
    this.nothing = h("div", { class: "sightings-empty" });
    this.fresh = h("button", { type: "button", class: "fresh", hidden: true, onclick: () => this.#toTop() });
    this.count = h("p", { class: "hint grow", role: "status" });
    this.message = h("div", null);
    this.pauseButton = button("Pause", { icon: "pause", title: "p", onclick: () => this.pause(!this.paused) });
    this.panel = inspector(() => this.close());
    this.key = key;
    this.element = h(
      "div",
      { class: "stream" },
      h(
        "div",
        { class: "toolbar" },
        searchField({
          label: "Filter by channel, tag, socket or event",
          placeholder: "Channel, tag, socket, event",
          oninput: (text) => this.#filter(text),
        }),
        h("div", { class: "grow" }),
        this.pauseButton,
        button("Clear", { icon: "trash", onclick: () => this.#clear() }),
      ),
      h(
        "div",
        { class: "kinds", role: "group", "aria-label": "Kinds" },
        KINDS.map((about) => this.#kindButton(about)),
      ),
      this.message,
      h(
        "div",
        { class: "stream-panes" },
        h(
          "div",
          { class: "stream-list" },
          this.fresh,
          this.list,
          this.nothing,
          h("div", { class: "stream-foot" }, this.count),
        ),
        this.panel.element,
      ),
    );
    this.#tell();
  }

  /** @param {{seen: number, sightings: any[]}} batch oldest first */
  take({ seen, sightings }) {
    this.#seen += seen;
    this.#received += sightings.length;
    const newest = sightings.toReversed();
    if (this.paused || this.list.scrollTop > AT_TOP_PX) this.#waiting = [...newest, ...this.#waiting].slice(0, CAP);
    else this.#add(newest);
    this.#tell();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    const next = button(paused ? "Resume" : "Pause", {
      icon: paused ? "play" : "pause",
      kind: paused ? "primary" : "plain",
      title: "p",
      onclick: () => this.pause(!this.paused),
    });
    const focused = document.activeElement === this.pauseButton;
    this.pauseButton.replaceWith(next);
    this.pauseButton = next;
    if (focused) next.focus();
    if (!paused) this.#settle();
    this.#tell();
  }

  /** @param {string} text */
  say(text) {
    replace(this.message, notice(text, "bad"));
  }

  /** Close the details; the focus goes back to their row. */
  close() {
    if (!this.#opened) return;
    this.#opened.removeAttribute("aria-current");
    if (this.panel.element.contains(document.activeElement)) this.#opened.focus();
    this.#opened = null;
    this.panel.hide();
  }

  /** @param {any[]} newest first */
  #add(newest) {
    this.#kept = [...newest, ...this.#kept].slice(0, CAP);
    const rows = newest
      .filter((seen) => this.#shows(seen))
      .slice(0, CAP)
      .map((seen) => this.#row(seen));
    this.list.prepend(...rows);
    while (this.list.childElementCount > CAP) this.list.lastElementChild?.remove();
  }

  /** @param {any} seen */
  #row(seen) {
    const row = rowOf(seen, (row) => (row === this.#opened ? this.close() : this.#open(row)));
    this.#sightings.set(row, seen);
    return row;
  }

  /** @param {HTMLElement} row */
  #open(row) {
    this.#opened?.removeAttribute("aria-current");
    this.#opened = row;
    row.setAttribute("aria-current", "true");
    this.panel.show(this.#sightings.get(row));
  }

  /** With the arrow keys from row to row; open details follow. @param {KeyboardEvent} event */
  #step(event) {
    const row = /** @type {HTMLElement} */ (event.target);
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (!(to instanceof HTMLElement)) return;
    event.preventDefault();
    to.focus();
    if (this.#opened) this.#open(to);
  }

  /** @param {any} seen */
  #shows(seen) {
    return (this.#kinds.size === 0 || this.#kinds.has(seen.kind)) && mentions(seen, this.#text);
  }

  /** Let in what waits, once nothing forbids it any more. */
  #settle() {
    if (this.paused || this.list.scrollTop > AT_TOP_PX || this.#waiting.length === 0) return;
    this.#add(this.#waiting);
    this.#waiting = [];
    this.#tell();
  }

  #toTop() {
    this.list.scrollTop = 0;
    this.#settle();
  }

  #clear() {
    this.close();
    this.#kept = [];
    this.#waiting = [];
    this.#seen = 0;
    this.#received = 0;
    this.#redraw();
  }

  /** @param {string} text */
  #filter(text) {
    this.#text = text.trim().toLowerCase();
    this.#redraw();
  }

  /** @param {{kind: string, label: string, family: string}} about */
  #kindButton({ kind, label, family }) {
    const chip = h(
      "button",
      { type: "button", class: "kind", dataset: { family }, "aria-pressed": "false" },
      h("i", { class: "mark" }),
      label,
    );
    chip.addEventListener("click", () => {
      if (!this.#kinds.delete(kind)) this.#kinds.add(kind);
      chip.setAttribute("aria-pressed", String(this.#kinds.has(kind)));
      this.#redraw();
    });
    return chip;
  }

  #redraw() {
    this.close();
    replace(
      this.list,
      this.#kept.filter((seen) => this.#shows(seen)).map((seen) => this.#row(seen)),
    );
    this.list.scrollTop = 0;
    this.#settle();
    this.#tell();
  }

  /** Bring the counts, the "new ones" button and the empty state up to date. */
  #tell() {
    const shown = this.list.childElementCount;
    const waiting = this.#waiting.filter((seen) => this.#shows(seen)).length;
    this.count.textContent = tally({
      shown,
      received: this.#received,
      seen: this.#seen,
      filtered: this.#kinds.size > 0 || this.#text !== "",
      paused: this.paused,
      waiting,
    });
    this.fresh.hidden = waiting === 0 || this.paused;
    this.fresh.textContent = `${formatNumber(waiting)}${waiting >= CAP ? "+" : ""} new`;
    this.list.hidden = shown === 0;
    this.nothing.hidden = shown > 0;
    if (shown === 0) replace(this.nothing, this.#emptiness());
  }

  #emptiness() {
    if (this.#kept.length > 0) return h("p", { class: "muted" }, "Nothing matches the filter.");
    if (this.paused) return h("p", { class: "muted" }, "Paused. Resume to see what happens.");
    const push = linkButton("Push something", `#/apps/${encodeURIComponent(this.key)}/push`, { icon: "send" });
    return [
      h("span", { class: "listening" }, h("i"), h("i"), h("i")),
      h("h2", null, "Listening"),
      h("p", { class: "muted" }, "Connections, subscriptions and messages of this app appear here as they happen."),
      push,
    ];
  }
}

/**
 * The line below the list.
 * @param {{shown: number, received: number, seen: number, filtered: boolean, paused: boolean,
 *   waiting: number}} counts
 */
function tally({ shown, received, seen, filtered, paused, waiting }) {
  const parts = [paused && "Paused", paused && waiting > 0 && `${formatNumber(waiting)} waiting`];
  if (seen > received) parts.push(`${formatNumber(received)} of ${formatNumber(seen)} shown: sampled`);
  else parts.push(seen === 0 ? "Nothing yet" : `${formatNumber(seen)} seen`);
  if (filtered) parts.push(`${formatNumber(shown)} match the filter`);
  if (!filtered && received > CAP) parts.push(`the latest ${formatNumber(CAP)} are kept`);
  return parts.filter(Boolean).join(" · ");
}
