// The whole server at a glance, second by second: numbers, charts, errors, the busiest apps. For the operator alone.
// Invariant: nothing is drawn while nobody looks; what was missed is there at the next look.

import { chart } from "../charts.js";
import { Series } from "../series.js";
import {
  button,
  card,
  emptyState,
  formatBytes,
  formatCompact,
  formatMs,
  formatNumber,
  formatRate,
  h,
  keyValues,
  pageHeader,
  replace,
} from "../ui.js";
import { busiestApps } from "./busiest.js";
import { figureRow } from "./figures.js";

/** @type {import("./figures.js").Figure[]} */
const FIGURES = [
  {
    label: "Connections",
    name: "connections",
    token: "series-1",
    value: (r) => [formatCompact(r.connections)],
    sub: (r) => `${formatRate(r.opened_per_s)} opened/s`,
  },
  {
    label: "Deliveries",
    name: "deliveries_per_s",
    token: "series-1",
    value: (r) => [formatRate(r.deliveries_per_s), "/s"],
    sub: (r) => `${formatBytes(r.bytes_out_per_s)}/s out`,
  },
  {
    label: "Pushes",
    name: "pushes_per_s",
    token: "series-1",
    value: (r) => [formatRate(r.pushes_per_s), "/s"],
    sub: (r) => `${formatRate(r.requests_per_s)} requests/s`,
  },
  {
    label: "Latency, p99",
    name: "p99_ms",
    token: "series-2",
    value: (r) => (r.p99_ms === null ? ["–"] : [formatMs(r.p99_ms), "ms"]),
    sub: (r) => (r.p50_ms === null ? "no push this second" : `p50 ${formatMs(r.p50_ms)} ms`),
  },
  {
    label: "Slow clients",
    name: "slow_per_s",
    token: "series-3",
    value: (r) => [formatRate(r.slow_per_s), "/s"],
    sub: (r) => `${formatNumber(r.totals.slow_clients)} since the start`,
    tone: (r) => (r.slow_per_s > 0 ? "warn" : null),
  },
  {
    label: "Errors",
    name: "errors_per_s",
    token: "series-4",
    value: (r) => [formatRate(r.errors_per_s), "/s"],
    sub: (r) => `${formatNumber(r.totals.errors)} since the start`,
    tone: (r) => (r.errors_per_s > 0 ? "bad" : null),
  },
];

const milliseconds = (/** @type {number | null} */ value) => (value === null ? "–" : `${formatMs(value)} ms`);

const CHARTS = [
  {
    title: "Deliveries per second",
    format: formatCompact,
    lines: [{ name: "Deliveries", of: "deliveries_per_s", token: "series-1", fill: true }],
  },
  {
    title: "Latency, push to written",
    format: milliseconds,
    scale: (/** @type {number} */ value) => `${value} ms`,
    lines: [
      { name: "p50", of: "p50_ms", token: "series-1" },
      { name: "p99", of: "p99_ms", token: "series-2" },
    ],
  },
  {
    title: "Connections",
    format: formatCompact,
    lines: [{ name: "Connections", of: "connections", token: "series-1", fill: true }],
  },
  {
    title: "Pushes and requests",
    format: formatCompact,
    lines: [
      { name: "Pushes", of: "pushes_per_s", token: "series-1" },
      { name: "Requests", of: "requests_per_s", token: "series-3" },
    ],
  },
];

/** @param {{api: any, feed: any, navigate: (hash: string) => void}} ctx */
export default async function view(ctx) {
  const series = new Series();
  const figures = figureRow(FIGURES, "Now");
  const charts = CHARTS.map(drawing);
  const apps = busiestApps(ctx.api);
  const errors = h("div", null);
  const facts = h("div", null);
  const welcome = h("div", { hidden: true }, firstApp(ctx));
  const busy = h(
    "div",
    { class: "overview-grid" },
    charts.map((each) => each.card),
    card({ title: "Apps by activity", class: "span-apps", flush: true }, apps.element),
    h(
      "div",
      { class: "stack" },
      card({ title: "Errors by kind", hint: "The last five minutes" }, errors),
      card({ title: "Right now" }, facts),
    ),
  );

  const draw = () => {
    if (document.hidden) return;
    figures.update(series);
    charts.forEach((each) => each.update(series));
    replace(errors, errorBars(series.sums("errors")));
    if (!series.last) return;
    replace(facts, rightNow(series.last));
    welcome.hidden = series.last.apps > 0;
    busy.hidden = series.last.apps === 0;
  };
  const refill = async () => {
    series.fill((await ctx.api.get("overview")).readings);
    draw();
  };
  await refill();
  let joined = false;
  const leave = ctx.feed.subscribe("private-overview", {
    // What happened while there was no connection, the server still knows.
    live: () => (joined ? refill() : (joined = true)),
    reading: (/** @type {any} */ reading) => {
      series.add(reading);
      draw();
    },
  });
  document.addEventListener("visibilitychange", draw);
  return {
    title: "Overview",
    element: h(
      "div",
      { class: "page" },
      pageHeader({ title: "Overview", sub: "The last five minutes, second by second" }),
      figures.element,
      welcome,
      busy,
    ),
    dispose() {
      leave();
      document.removeEventListener("visibilitychange", draw);
      for (const each of [figures, apps, ...charts]) each.dispose();
    },
  };
}

/** @param {typeof CHARTS[number]} about */
function drawing({ title, format, scale, lines }) {
  const drawn = chart({ label: `${title}, the last five minutes`, lines, format, scale });
  return {
    card: card({ title, class: "chart-card", actions: [drawn.legend] }, drawn.element),
    update: (/** @type {Series} */ series) => drawn.update(series.columns(...lines.map((line) => line.of))),
    dispose: drawn.dispose,
  };
}

/** @param {Map<string, number>} sums */
function errorBars(sums) {
  const kinds = [...sums].sort((one, other) => other[1] - one[1]);
  if (kinds.length === 0) return h("p", { class: "muted calm" }, "None. All is well.");
  const most = kinds[0][1];
  return h(
    "ul",
    { class: "bars" },
    kinds.map(([kind, count]) =>
      h(
        "li",
        null,
        h("span", { class: "mono truncate" }, kind),
        h("b", null, formatNumber(count)),
        h("i", { style: { width: `${(100 * count) / most}%` } }),
      ),
    ),
  );
}

/** @param {any} reading */
function rightNow(reading) {
  return keyValues([
    ["Apps", formatNumber(reading.apps)],
    ["Tags", formatNumber(reading.tags)],
    ["Channels", formatNumber(reading.channels)],
    ["Users", formatNumber(reading.users)],
    ["Waiting to be sent", formatBytes(reading.buffered_bytes)],
    ["Lag of the loop", `${formatMs(reading.lag_ms)} ms`],
    ["Pushes so far", formatNumber(reading.totals.pushes)],
    ["Deliveries so far", formatNumber(reading.totals.deliveries)],
  ]);
}

/** @param {{api: any, navigate: (hash: string) => void}} ctx */
function firstApp({ api, navigate }) {
  const register = async () => {
    const { registerApp } = await import("./apps-register.js");
    registerApp({ api, navigate, ondone: () => undefined });
  };
  return card(
    {},
    emptyState(
      "Register your first app",
      "The server is up and waiting. An app is a space of its own, with keys, tags, channels and settings; " +
        "you get its key and a snippet to connect with.",
      button("Register an app", { kind: "primary", icon: "plus", onclick: register }),
      "app",
    ),
  );
}
