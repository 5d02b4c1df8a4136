// One app at a glance: its numbers and charts, live, and how to begin where nobody has connected yet.

import { chart } from "../charts.js";
import { card, emptyState, formatCompact, formatNumber, formatRate, h, linkButton } from "../ui.js";
import { figureRow } from "./figures.js";

/** @type {import("./figures.js").Figure[]} */
const FIGURES = [
  {
    label: "Connections",
    name: "connections",
    token: "series-1",
    value: (r) => [formatCompact(r.connections)],
    sub: (r) => `${formatNumber(r.users)} signed-in users`,
  },
  {
    label: "Deliveries",
    name: "deliveries_per_s",
    token: "series-1",
    value: (r) => [formatRate(r.deliveries_per_s), "/s"],
    sub: (r) => `${formatCompact(r.totals.deliveries)} in all`,
  },
  {
    label: "Pushes",
    name: "pushes_per_s",
    token: "series-1",
    value: (r) => [formatRate(r.pushes_per_s), "/s"],
    sub: (r) => `${formatCompact(r.totals.pushes)} in all`,
  },
  {
    label: "Channels",
    name: "channels",
    token: "series-2",
    value: (r) => [formatCompact(r.channels)],
    sub: () => "occupied",
  },
  { label: "Tags", name: "tags", token: "series-2", value: (r) => [formatCompact(r.tags)], sub: () => "online" },
];

const CHARTS = [
  { title: "Deliveries per second", of: "deliveries_per_s", name: "Deliveries" },
  { title: "Pushes per second", of: "pushes_per_s", name: "Pushes" },
  { title: "Connections", of: "connections", name: "Connections" },
];

/** @param {any} ctx with `series`, the readings that the app's frame collects */
export default async function view({ params, api, feed, series }) {
  const figures = figureRow(FIGURES, "Now");
  const charts = CHARTS.map(({ title, of, name }) => {
    const drawn = chart({
      label: `${title}, the last five minutes`,
      lines: [{ name, token: "series-1", fill: true }],
      format: formatCompact,
    });
    return { ...drawn, of, card: card({ title, class: "chart-card", actions: [drawn.legend] }, drawn.element) };
  });
  const now = await api.get(api.path("apps", params.key, "now"));
  const begin = h("div", null, firstConnection(params.key));
  const drawings = h(
    "div",
    { class: "overview-grid" },
    charts.map((each) => each.card),
  );
  const show = (/** @type {boolean} */ alive) => {
    begin.hidden = alive;
    drawings.hidden = !alive;
  };
  show(now.connections > 0 || now.pushes > 0);
  const draw = () => {
    if (document.hidden) return;
    figures.update(series);
    charts.forEach((each) => each.update(series.columns(each.of)));
    if (series.last?.connections > 0 || series.last?.totals.pushes > 0) show(true);
  };
  draw();
  // The frame, which subscribed first, has added the reading by the time this is called.
  const leave = feed.subscribe(`private-app-${params.key}`, { reading: draw });
  document.addEventListener("visibilitychange", draw);
  return {
    element: h("div", { class: "stack" }, figures.element, begin, drawings),
    dispose() {
      leave();
      document.removeEventListener("visibilitychange", draw);
      for (const each of [figures, ...charts]) each.dispose();
    },
  };
}

/** @param {string} key */
function firstConnection(key) {
  const at = `#/apps/${encodeURIComponent(key)}`;
  return card(
    {},
    emptyState(
      "Nobody is connected yet",
      "Copy a few lines for your language, run them, and watch this page come alive.",
      [
        linkButton("Get a snippet", `${at}/snippets`, { kind: "primary", icon: "code" }),
        linkButton("Watch the stream", `${at}/stream`, { icon: "stream" }),
      ],
      "socket",
    ),
  );
}
