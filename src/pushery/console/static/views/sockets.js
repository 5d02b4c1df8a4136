// The sockets that are connected: find one, see how it does, close it (socket-panel.js).

import { badge, emptyState, formatAge, formatBytes, formatNumber, h, linkButton, searchField } from "../ui.js";
import { tabLink } from "../lib/links.js";
import { liveList } from "../lib/live-list.js";
import { openSocket } from "./socket-panel.js";

const DIALECTS = { pusher: "Pusher", gopusher: "GoPusher" };

/** @param {any} ctx */
export default async function view(ctx) {
  const { key } = ctx.params;
  const list = liveList({
    ctx,
    tab: "sockets",
    label: "Sockets",
    columns: columns(),
    asked: { search: "" },
    nameOf: (socket) => socket.id,
    openPanel: (id, onclose) => openSocket({ key, id, api: ctx.api, onclose }),
    rowsOf: ({ sockets }) => sockets,
    said: (total, { search }) => `${formatNumber(total)} ${search ? "found" : "connected"}`,
    nothing: ({ search }) => nothing(key, search),
  });
  const search = searchField({
    label: "Search sockets",
    placeholder: "Id, tag, user or address",
    oninput: (text) => list.search({ search: text.trim() }),
  });
  return list.view(search);
}

/** @returns {import("../tables.js").Column[]} */
function columns() {
  return [
    { title: "Socket", render: (socket) => h("code", null, socket.id) },
    { title: "Dialect", render: (socket) => badge(dialectName(socket.dialect)) },
    { title: "Tag or user", render: (socket) => h("span", { class: "clip" }, socket.tag ?? socket.user_id ?? "–") },
    { title: "Address", mono: true, render: (socket) => socket.address },
    { title: "Channels", align: "end", render: (socket) => formatNumber(socket.channels) },
    { title: "Waiting", align: "end", render: waiting },
    { title: "Connected", align: "end", render: (socket) => formatAge(socket.since_ms) },
  ];
}

/** What has not reached it yet. @param {{waiting_bytes: number, slow: boolean}} socket */
export function waiting({ waiting_bytes, slow }) {
  return h("span", { class: "waiting" }, slow && badge("slow", "warn"), formatBytes(waiting_bytes));
}

/** @param {string} dialect */
export function dialectName(dialect) {
  return DIALECTS[/** @type {keyof typeof DIALECTS} */ (dialect)] ?? dialect;
}

/** @param {string} key @param {string} search */
function nothing(key, search) {
  if (search) return emptyState("Nothing found", `No socket has “${search}” in its id, tag, user or address.`, null, "search");
  const action = linkButton("Copy a snippet", tabLink(key, "snippets"), { kind: "primary", icon: "code" });
  return emptyState(
    "Nobody is connected",
    "Connect a client with one of the snippets, and its socket appears here.",
    action,
    "socket",
  );
}
