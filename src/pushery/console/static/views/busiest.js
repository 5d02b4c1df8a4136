// The apps that have most to do right now, for the overview. The server picks them from among all that there are.

import { formatNumber, formatRate, h, table } from "../ui.js";
import { whileSeen } from "../lib/timing.js";

const LOOK_MS = 3_000;

/** @param {any} api @returns {{element: HTMLElement, dispose: () => void}} */
export function busiestApps(api) {
  const rows = table({
    label: "Apps by activity",
    href: (row) => `#/apps/${encodeURIComponent(row.app_key)}`,
    columns: [
      { title: "App", render: (row) => h("span", { class: "name" }, row.name) },
      { title: "Connections", align: "end", render: (row) => formatNumber(row.connections) },
      { title: "Pushes/s", align: "end", render: (row) => formatRate(row.pushes_per_s) },
      {
        title: "Deliveries/s",
        align: "end",
        render: ({ share, deliveries_per_s: rate }) =>
          h("span", { class: "share" }, h("i", { style: { width: `${share}%` } }), formatRate(rate)),
      },
    ],
  });

  async function look() {
    try {
      const { apps } = await api.get("busiest");
      const most = Number(apps[0]?.deliveries_per_s) || 1;
      const share = (/** @type {any} */ app) => (100 * Number(app.deliveries_per_s)) / most;
      rows.update(apps.map((/** @type {any} */ app) => ({ ...app, share: share(app) })));
    } catch {
      // The frame says that the server is away.
    }
  }
  look();
  return { element: rows, dispose: whileSeen(look, LOOK_MS) };
}
