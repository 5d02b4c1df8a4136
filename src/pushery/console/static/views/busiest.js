// The apps that have most to do right now, for the overview. Rates come from two looks at the server's counts.

import { formatNumber, formatRate, h, table } from "../ui.js";

const LOOK_MS = 3_000;
const ASKED_FOR = 100;
const SHOWN = 8;

/** @param {any} api @returns {{element: HTMLElement, dispose: () => void}} */
export function busiestApps(api) {
  /** @type {Map<string, {at: number, pushes: number, out: number}>} */
  let before = new Map();
  const rows = table({
    label: "Apps by activity",
    href: (row) => `#/apps/${encodeURIComponent(row.key)}`,
    columns: [
      { title: "App", render: (row) => h("span", { class: "name" }, row.name) },
      { title: "Connections", align: "end", render: (row) => formatNumber(row.connections) },
      { title: "Pushes/s", align: "end", render: (row) => formatRate(row.pushes) },
      {
        title: "Deliveries/s",
        align: "end",
        render: (row) =>
          h("span", { class: "share" }, h("i", { style: { width: `${row.share}%` } }), formatRate(row.out)),
      },
    ],
  });

  async function look() {
    if (document.hidden) return;
    const { apps } = await api.get("apps", { limit: ASKED_FOR });
    const at = performance.now();
    rows.update(ranked(apps, before, at));
    before = new Map(
      apps.map((/** @type {any} */ app) => [app.app_key, { at, pushes: app.now.pushes, out: app.now.messages_out }]),
    );
  }
  const quiet = () => look().catch(() => undefined); // the frame says that the server is away
  quiet();
  const timer = setInterval(quiet, LOOK_MS);
  return { element: rows, dispose: () => clearInterval(timer) };
}

/** @param {any[]} apps @param {Map<string, {at: number, pushes: number, out: number}>} before @param {number} at ms */
function ranked(apps, before, at) {
  const rows = apps.map((app) => {
    const then = before.get(app.app_key);
    const rate = (/** @type {number} */ now, /** @type {number | undefined} */ was) =>
      then ? (1000 * Math.max(0, now - Number(was))) / (at - then.at) : null;
    return {
      key: app.app_key,
      name: app.name,
      connections: app.now.connections,
      pushes: rate(app.now.pushes, then?.pushes),
      out: rate(app.now.messages_out, then?.out),
      share: 0,
    };
  });
  rows.sort((one, other) => Number(other.out) - Number(one.out) || other.connections - one.connections);
  const most = Number(rows[0]?.out) || 1;
  return rows.slice(0, SHOWN).map((row) => ({ ...row, share: (100 * Number(row.out)) / most }));
}
