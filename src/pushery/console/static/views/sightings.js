// What the server has seen, in words: kinds, where something happened, what it was. Pure, but for the row's element.
// Invariant: whatever clients and backends wrote is shown as text.

import { formatBytes, formatNumber, formatTime, h, plural } from "../ui.js";

/** Every kind, in the order of the filter: its label, and the family that gives its mark a colour. */
export const KINDS = [
  ["push", "Push", "message"],
  ["event", "Event", "event"],
  ["client_event", "Client event", "client"],
  ["connected", "Connected", "come"],
  ["disconnected", "Disconnected", "go"],
  ["subscribed", "Subscribed", "join"],
  ["unsubscribed", "Unsubscribed", "go"],
  ["signed_in", "Signed in", "join"],
  ["refused", "Refused", "trouble"],
  ["closed", "Closed", "trouble"],
].map(([kind, label, family]) => ({ kind, label, family }));

const BY_KIND = new Map(KINDS.map((each) => [each.kind, each]));

/** @param {string} kind */
export function kindOf(kind) {
  return BY_KIND.get(kind) ?? { kind, label: kind.replaceAll("_", " "), family: "go" };
}

/** Where it happened: a channel, a pattern, a tag, a user, or a socket. @param {any} seen */
export function placeOf(seen) {
  if (seen.channels) return `${seen.channel} +${seen.channels.length - 1}`;
  if (seen.channel) return seen.channel;
  if (seen.pattern) return seen.pattern;
  if (seen.kind === "push") return "everyone";
  return seen.tag ?? seen.user ?? seen.socket ?? "";
}

/**
 * What happened there, on one line: a name that stands out, and a text.
 * @param {any} seen
 * @returns {[string, string]}
 */
export function gistOf(seen) {
  const text = seen.encrypted ? "end-to-end encrypted" : (seen.data ?? seen.reason);
  const socket = placeOf(seen) === seen.socket ? "" : seen.socket;
  return [seen.event ?? "", text ?? socket ?? ""];
}

/** How far it went, or how large it was. @param {any} seen */
export function reachOf(seen) {
  if (seen.receivers !== undefined) return `→ ${formatNumber(seen.receivers)}`;
  return seen.size === undefined ? "" : formatBytes(seen.size);
}

/**
 * Whether it has this text in its channel, tag, socket, user, event or pattern.
 * @param {any} seen
 * @param {string} text in lower case
 */
export function mentions(seen, text) {
  if (!text) return true;
  const { channel, channels = [], tag, socket, user, event, pattern, reason } = seen;
  const said = [channel, ...channels, tag, socket, user, event, pattern, reason];
  return said.some((value) => value && value.toLowerCase().includes(text));
}

/** Terms and values of all that is known, the payload aside. @param {any} seen @returns {[string, any][]} */
export function factsOf(seen) {
  /** @type {[string, any][]} */
  const facts = [
    ["Time", formatTime(seen.at_ms, true)],
    [seen.channels ? "Channels" : "Channel", seen.channels?.join(", ") ?? seen.channel],
    ["Event", seen.event],
    ["Pattern", seen.pattern],
    ["Tag", seen.tag],
    ["User", seen.user],
    ["Socket", seen.socket],
    ["Reason", seen.reason],
    ["Receivers", seen.receivers === undefined ? undefined : plural(seen.receivers, "socket")],
    ["Size", seen.size === undefined ? undefined : formatBytes(seen.size)],
  ];
  return facts.filter(([, value]) => value !== undefined && value !== null && value !== "");
}

/** A row of the list. @param {any} seen @param {(row: HTMLElement) => void} onopen */
export function rowOf(seen, onopen) {
  const { label, family } = kindOf(seen.kind);
  const [name, text] = gistOf(seen);
  const row = h(
    "button",
    { type: "button", class: "sighting", dataset: { family }, onclick: () => onopen(row) },
    h("time", null, formatTime(seen.at_ms, true)),
    h("span", { class: "sighting-kind" }, h("i", { class: "mark" }), label),
    h("span", { class: "sighting-place truncate" }, placeOf(seen)),
    h(
      "span",
      { class: "sighting-gist truncate" },
      name && [h("b", null, name), "  "],
      h("span", { class: seen.encrypted ? "opaque" : null }, text),
    ),
    h("span", { class: "sighting-reach" }, reachOf(seen)),
  );
  return row;
}
