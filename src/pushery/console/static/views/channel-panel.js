// One channel, in a panel beside the list: how many listen, who is present, what it keeps. It looks again by itself.

import {
  codeBlock,
  dialog,
  emptyState,
  formatBytes,
  formatNumber,
  h,
  keyValues,
  linkButton,
  notice,
  pretty,
  replace,
  skeleton,
} from "../ui.js";
import { tabLink } from "../lib/links.js";
import { keepingPlace, newest, whileSeen } from "../lib/timing.js";
import { kindBadge } from "./channels.js";

const REFRESH_MS = 2_000;

/** @param {{key: string, name: string, api: any, onclose: () => void}} options @returns {{dispose: () => void}} */
export function openChannel({ key, name, api, onclose }) {
  const body = h("div", { class: "stack" }, skeleton(5));
  let leaving = false;
  const load = newest(
    () => api.get(api.path("apps", key, "channels", name)),
    (channel) => keepingPlace(body, () => replace(body, details(key, channel))),
    (error) => replace(body, gone(error)),
  );
  const opened = dialog({
    title: name,
    side: true,
    body,
    actions: [linkButton("Send an event here", tabLink(key, "push", { channel: name }), { kind: "primary", icon: "send" })],
    onclose() {
      stop();
      load.stop();
      if (!leaving) onclose();
    },
  });
  load(null);
  const stop = whileSeen(() => load(null), REFRESH_MS);
  return {
    dispose() {
      leaving = true;
      opened.close();
    },
  };
}

/** @param {any} error */
function gone(error) {
  if (error.status !== 404) return notice(error.message, "bad");
  return emptyState("The channel is empty", "Nobody is subscribed to it any more.", null, "channel");
}

/** @param {string} key @param {any} channel */
function details(key, channel) {
  const { kind, subscriptions, members, sockets, cached } = channel;
  return [
    keyValues(
      [
        ["Kind", kindBadge(kind)],
        ["Subscriptions", formatNumber(subscriptions)],
        kind.includes("presence") && ["Users", formatNumber(members.length)],
      ].filter(Boolean),
    ),
    members.length > 0 && h("section", null, h("h3", null, "Present"), h("ul", { class: "people" }, members.map(member))),
    cached &&
      h(
        "section",
        null,
        h("h3", null, `Kept for who subscribes next · ${formatBytes(cached.size)}`),
        codeBlock(pretty(cached.data), { label: "Copy the data" }),
      ),
    sockets.length > 0 &&
      h(
        "section",
        null,
        h("h3", null, socketsTitle(sockets.length, subscriptions)),
        h(
          "ul",
          { class: "chips" },
          sockets.map((/** @type {string} */ id) => socketChip(key, id)),
        ),
      ),
  ];
}

/** @param {number} shown @param {number} all */
function socketsTitle(shown, all) {
  return shown < all ? `Sockets (the first ${shown} of ${formatNumber(all)})` : "Sockets";
}

/** @param {{user_id: string, info: any}} member */
function member({ user_id, info }) {
  const known = info !== null && info !== undefined && JSON.stringify(info) !== "{}";
  return h(
    "li",
    null,
    h("span", { class: "avatar", "aria-hidden": "true" }, Array.from(String(user_id))[0]?.toUpperCase()),
    h(
      "div",
      { class: "grow" },
      h("strong", null, user_id),
      known && h("code", null, typeof info === "string" ? info : JSON.stringify(info)),
    ),
  );
}

/** @param {string} key @param {string} id */
export function socketChip(key, id) {
  return h("li", null, h("a", { class: "chip mono", href: `${tabLink(key, "sockets")}/${encodeURIComponent(id)}` }, id));
}
