// The sockets that are connected: find one, see how it does, close it (socket-panel.js).

import {
  badge,
  card,
  emptyState,
  formatAge,
  formatBytes,
  formatNumber,
  h,
  linkButton,
  notice,
  pager,
  replace,
  searchField,
  skeleton,
  table,
} from "../ui.js";
import { tabLink } from "../lib/links.js";
import { keepingPlace, newest, whileSeen } from "../lib/timing.js";
import { openSocket } from "./socket-panel.js";

const LIMIT = 50;
const REFRESH_MS = 3_000;
const DIALECTS = { pusher: "Pusher", gopusher: "GoPusher" };

/** @param {any} ctx */
export default async function view({ params, api }) {
  const { key } = params;
  /** @type {{dispose: () => void} | null} */
  let panel = null;
  const asked = { search: "", offset: 0 };
  const body = h("div", null, skeleton(6));
  const count = h("span", { class: "muted", role: "status" });
  const rows = table({ label: "Sockets", columns: columns(), onrow: (socket) => open(socket.id) });
  const pages = pager({ total: 0, limit: LIMIT, offset: 0, onchange: (offset) => ask({ offset }) });

  const load = newest(
    (question) => api.get(api.path("apps", key, "sockets"), { ...question, limit: LIMIT }),
    (answer, question) => keepingPlace(body, () => show(answer, question)),
    (error) => replace(body, notice(error.message, "bad")),
  );

  /** @param {Partial<typeof asked>} change */
  function ask(change) {
    Object.assign(asked, change);
    return load({ ...asked });
  }

  /** Open the panel; the address leads there too, and the list stays as it is. @param {string} id */
  function open(id) {
    history.replaceState(null, "", `${tabLink(key, "sockets")}/${encodeURIComponent(id)}`);
    panel = openSocket({ key, id, api, onclose });
  }

  function onclose() {
    panel = null;
    history.replaceState(null, "", tabLink(key, "sockets"));
    ask({});
  }

  /** @param {any} answer @param {typeof asked} question */
  function show({ total, sockets }, { search, offset }) {
    count.textContent = search ? `${formatNumber(total)} found` : `${formatNumber(total)} connected`;
    pages.update({ total, offset });
    if (total === 0) return replace(body, nothing(key, search));
    rows.update(sockets);
    if (rows.parentElement !== body) replace(body, rows);
  }

  const search = searchField({
    label: "Search sockets",
    placeholder: "Id, tag, user or address",
    oninput: (text) => ask({ search: text.trim(), offset: 0 }),
  });
  await ask({});
  if (params.rest[0]) open(params.rest[0]);
  const stop = whileSeen(() => panel === null && ask({}), REFRESH_MS);
  return {
    element: h(
      "div",
      { class: "stack" },
      h("div", { class: "toolbar" }, search, h("span", { class: "grow" }), count),
      card({ flush: true }, body, pages),
    ),
    dispose() {
      stop();
      load.stop();
      panel?.dispose();
    },
  };
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
