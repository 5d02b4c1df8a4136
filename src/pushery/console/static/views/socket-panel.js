// One socket, in a panel beside the list: who it is, what it listens to, how much waits for it; and its end.

import {
  button,
  confirm,
  dialog,
  emptyState,
  formatAge,
  formatDate,
  formatNumber,
  h,
  keyValues,
  notice,
  replace,
  skeleton,
  toast,
} from "../ui.js";
import { tabLink } from "../lib/links.js";
import { keepingPlace, newest, whileSeen } from "../lib/timing.js";
import { dialectName, waiting } from "./sockets.js";

const REFRESH_MS = 2_000;

/** @param {{key: string, id: string, api: any, onclose: () => void}} options @returns {{dispose: () => void}} */
export function openSocket({ key, id, api, onclose }) {
  const path = api.path("apps", key, "sockets", id);
  const body = h("div", { class: "stack" }, skeleton(5));
  let leaving = false;
  const end = button("Disconnect", { kind: "danger", onclick: disconnect });
  const load = newest(
    () => api.get(path),
    (socket) => keepingPlace(body, () => replace(body, details(key, socket))),
    (error) => gone(error),
  );
  const opened = dialog({
    title: `Socket ${id}`,
    side: true,
    body,
    actions: [end],
    onclose() {
      stop();
      load.stop();
      if (!leaving) onclose();
    },
  });
  load(null);
  const stop = whileSeen(() => load(null), REFRESH_MS);

  /** @param {any} error */
  function gone(error) {
    if (error.status !== 404) return replace(body, notice(error.message, "bad"));
    stop();
    end.disabled = true;
    replace(body, emptyState("The socket is closed", "It was connected when the list was made.", null, "socket"));
  }

  async function disconnect() {
    const text = "The client is told to stay away, but one that insists may connect again at once.";
    if (!(await confirm({ title: "Disconnect this socket?", text, action: "Disconnect", danger: true }))) return;
    try {
      await api.del(path);
      toast(`Socket ${id} is disconnected`);
      opened.close();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "bad");
    }
  }

  return {
    dispose() {
      leaving = true;
      opened.close();
    },
  };
}

/** @param {string} key @param {any} socket */
function details(key, socket) {
  const { channel_names: channels, watchlist } = socket;
  return [
    keyValues([
      ["Dialect", dialectName(socket.dialect)],
      ["Tag", socket.tag === null ? "–" : h("code", null, socket.tag)],
      ["User", socket.user_id ?? "–"],
      ["Address", h("code", null, socket.address)],
      ["Connected", socket.since_ms === null ? "–" : `${formatDate(socket.since_ms)} (${formatAge(socket.since_ms)} ago)`],
      ["Waiting to be sent", waiting(socket)],
    ]),
    h(
      "section",
      null,
      h("h3", null, `Subscriptions (${formatNumber(channels.length)})`),
      channels.length > 0
        ? h(
            "ul",
            { class: "chips" },
            channels.map((/** @type {string} */ name) => channelChip(key, name)),
          )
        : h("p", { class: "hint" }, "None."),
    ),
    watchlist.length > 0 &&
      h(
        "section",
        null,
        h("h3", null, `Watches (${formatNumber(watchlist.length)})`),
        h(
          "ul",
          { class: "chips" },
          watchlist.map((/** @type {string} */ user) => h("li", { class: "chip" }, user)),
        ),
      ),
  ];
}

/** @param {string} key @param {string} name */
function channelChip(key, name) {
  return h("li", null, h("a", { class: "chip mono", href: `${tabLink(key, "channels")}/${encodeURIComponent(name)}` }, name));
}
