// The channels that somebody is subscribed to, and what is known of one of them (channel-panel.js).

import { badge, emptyState, formatNumber, h, linkButton, searchField, segmented } from "../ui.js";
import { tabLink } from "../lib/links.js";
import { liveList } from "../lib/live-list.js";
import { openChannel } from "./channel-panel.js";

const KINDS = [
  { value: "", label: "All" },
  { value: "private-", label: "Private" },
  { value: "presence-", label: "Presence" },
  { value: "cache-", label: "Cache" },
];

/** @param {any} ctx */
export default async function view(ctx) {
  const { key } = ctx.params;
  const list = liveList({
    ctx,
    tab: "channels",
    label: "Channels",
    columns: columns(),
    asked: { prefix: "" },
    nameOf: (channel) => channel.name,
    openPanel: (name, onclose) => openChannel({ key, name, api: ctx.api, onclose }),
    rowsOf: ({ channels }) => channels,
    said: (total) => `${formatNumber(total)} occupied`,
    nothing: ({ prefix }) => nothing(key, prefix),
  });
  const search = searchField({
    label: "Channels that begin with",
    placeholder: "Begins with…",
    mono: true,
    oninput: (prefix) => list.search({ prefix }),
  });
  const input = /** @type {HTMLInputElement} */ (search.querySelector("input"));
  const kinds = segmented({
    label: "Kind of channel",
    options: KINDS,
    value: "",
    onchange(prefix) {
      input.value = prefix;
      list.search({ prefix });
    },
  });
  return list.view(search, kinds);
}

/** @returns {import("../tables.js").Column[]} */
function columns() {
  return [
    { title: "Channel", render: (channel) => h("code", null, channel.name) },
    { title: "Kind", render: (channel) => kindBadge(channel.kind) },
    { title: "Subscriptions", align: "end", render: (channel) => formatNumber(channel.subscriptions) },
    { title: "Users", align: "end", render: (channel) => formatNumber(channel.users) },
  ];
}

/** @param {string} kind */
export function kindBadge(kind) {
  return badge(kind, kind.includes("presence") ? "accent" : "neutral");
}

/** @param {string} key @param {string} prefix */
function nothing(key, prefix) {
  if (prefix)
    return emptyState("No such channel now", `Nobody is subscribed to a channel that begins with “${prefix}”.`, null, "search");
  const action = linkButton("Copy a snippet", tabLink(key, "snippets"), { kind: "primary", icon: "code" });
  return emptyState(
    "No channel is occupied",
    "A channel exists as long as somebody is subscribed to it. Connect a client, and it appears here.",
    action,
    "channel",
  );
}
