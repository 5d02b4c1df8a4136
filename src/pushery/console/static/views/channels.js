// The channels that somebody is subscribed to, and what is known of one of them (channel-panel.js).

import {
  badge,
  card,
  emptyState,
  formatNumber,
  h,
  linkButton,
  notice,
  pager,
  replace,
  searchField,
  segmented,
  skeleton,
  table,
} from "../ui.js";
import { tabLink } from "../lib/links.js";
import { keepingPlace, newest, whileSeen } from "../lib/timing.js";
import { openChannel } from "./channel-panel.js";

const LIMIT = 50;
const REFRESH_MS = 3_000;
const KINDS = [
  { value: "", label: "All" },
  { value: "private-", label: "Private" },
  { value: "presence-", label: "Presence" },
  { value: "cache-", label: "Cache" },
];

/** @param {any} ctx */
export default async function view({ params, api }) {
  const { key } = params;
  /** @type {{dispose: () => void} | null} */
  let panel = null;
  const asked = { prefix: "", offset: 0 };
  const body = h("div", null, skeleton(6));
  const count = h("span", { class: "muted", role: "status" });
  const rows = table({ label: "Channels", columns: columns(), onrow: (channel) => open(channel.name) });
  const pages = pager({ total: 0, limit: LIMIT, offset: 0, onchange: (offset) => ask({ offset }) });

  const load = newest(
    (question) => api.get(api.path("apps", key, "channels"), { ...question, limit: LIMIT }),
    (answer, question) => keepingPlace(body, () => show(answer, question)),
    (error) => replace(body, notice(error.message, "bad")),
  );

  /** @param {Partial<typeof asked>} change */
  function ask(change) {
    Object.assign(asked, change);
    return load({ ...asked });
  }

  /** Open the panel; the address leads there too, and the list stays as it is. @param {string} name */
  function open(name) {
    history.replaceState(null, "", `${tabLink(key, "channels")}/${encodeURIComponent(name)}`);
    panel = openChannel({ key, name, api, onclose });
  }

  function onclose() {
    panel = null;
    history.replaceState(null, "", tabLink(key, "channels"));
    ask({});
  }

  /** @param {any} answer @param {typeof asked} question */
  function show({ total, channels }, { prefix, offset }) {
    count.textContent = `${formatNumber(total)} occupied`;
    pages.update({ total, offset });
    if (total === 0) return replace(body, nothing(key, prefix));
    rows.update(channels);
    if (rows.parentElement !== body) replace(body, rows);
  }

  const search = searchField({
    label: "Channels that begin with",
    placeholder: "Begins with…",
    mono: true,
    oninput: (prefix) => ask({ prefix, offset: 0 }),
  });
  const input = /** @type {HTMLInputElement} */ (search.querySelector("input"));
  const kinds = segmented({
    label: "Kind of channel",
    options: KINDS,
    value: "",
    onchange(prefix) {
      input.value = prefix;
      ask({ prefix, offset: 0 });
    },
  });
  await ask({});
  if (params.rest[0]) open(params.rest[0]);
  const stop = whileSeen(() => panel === null && ask({}), REFRESH_MS);
  return {
    element: h(
      "div",
      { class: "stack" },
      h("div", { class: "toolbar" }, search, kinds, h("span", { class: "grow" }), count),
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
