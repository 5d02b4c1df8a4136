// Charts over the last five minutes, on uPlot. Values come as columns (times in Unix ms, then one list per line).
// Invariant: colours are names of tokens and looked up when drawn, so a change of theme is a redraw.

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { onThemeChange } from "./theme.js";
import { formatTime, h } from "./ui.js";

const WINDOW_S = 300;
const FEWEST_S = 60;
/** What may lie between two times below a chart; of uPlot's own steps, a phone would get a single time. */
const STEPS_S = [5, 10, 15, 30, 60, 120, 300];
const SYNC = "console";
const FONT = "11px ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** @type {HTMLElement | null} */
let probe = null;

/**
 * What colour a token is now; a canvas understands neither var() nor light-dark().
 * @param {string} token
 * @param {number} [share] how much of it, 0 to 1
 */
function colour(token, share = 1) {
  probe ??= document.body.appendChild(h("i", { hidden: true }));
  const value = `var(--${token})`;
  const mixed = share === 1 ? value : `color-mix(in srgb, ${value} ${share * 100}%, transparent)`;
  /** @type {HTMLElement} */ (probe).style.color = mixed;
  return getComputedStyle(/** @type {HTMLElement} */ (probe)).color;
}

/** @typedef {{name: string, token: string, fill?: boolean}} Line */
/** @typedef {{element: HTMLElement, update: (columns: any[]) => void, dispose: () => void}} Chart */

/**
 * A chart with axes, and a legend that follows the pointer. A single line is not named: the title above it does that.
 * @param {{label: string, lines: Line[], format: (value: number | null) => string, scale?: (value: number) =>
 * string, height?: number}} options
 * @returns {Chart & {legend: HTMLElement}}
 */
export function chart({ label, lines, format, scale = counted(format), height = 156 }) {
  const figures = lines.map(() => h("b", null, "–"));
  const when = h("span", { class: "chart-when" });
  const legend = h(
    "div",
    { class: "legend" },
    when,
    lines.map((line, i) =>
      h("span", { class: "legend-item" }, lines.length > 1 && [swatch(line.token), line.name], figures[i]),
    ),
  );
  const canvas = h("div", {
    class: "chart-canvas",
    role: "img",
    "aria-label": label,
    style: { height: `${height}px` },
  });
  const read = (/** @type {uPlot} */ plot) => {
    const at = plot.cursor.idx ?? plot.data[0].length - 1;
    figures.forEach((figure, i) => (figure.textContent = format(/** @type {any} */ (plot.data[i + 1]?.[at] ?? null))));
    when.textContent = plot.cursor.idx == null ? "" : formatTime(Number(plot.data[0][at]) * 1000);
  };
  const axis = {
    stroke: () => colour("text-3"),
    font: FONT,
    grid: { stroke: () => colour("grid"), width: 1 },
    ticks: { show: false },
  };
  const drawn = mount(canvas, height, {
    cursor: { sync: { key: SYNC }, y: false, points: { size: 7 }, drag: { x: false, y: false } },
    series: [{}, ...lines.map(stroke)],
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 64,
        incrs: STEPS_S,
        size: 26,
        values: (_, splits) => splits.map((at) => formatTime(at * 1000)),
      },
      { ...axis, size: 48, space: 34, gap: 6, values: (_, splits) => splits.map(scale) },
    ],
    padding: [8, 30, 0, 0], // half a time fits beside the newest value
    hooks: { setCursor: [read], setData: [read] },
  });
  return { ...drawn, element: canvas, legend };
}

/** Things that are counted have no halves on their axis. @param {(value: number) => string} format */
function counted(format) {
  return (/** @type {number} */ value) => (Number.isInteger(value) ? format(value) : "");
}

/** @param {string} token */
function swatch(token) {
  return h("i", { class: "swatch", style: { background: `var(--${token})` } });
}

/**
 * A line without axes, for beside a number.
 * @param {{label: string, token: string, height?: number}} options
 * @returns {Chart}
 */
export function sparkline({ label, token, height = 36 }) {
  const element = h("div", { class: "sparkline", role: "img", "aria-label": label, style: { height: `${height}px` } });
  const drawn = mount(element, height, {
    cursor: { show: false },
    series: [{}, stroke({ name: label, token, fill: true })],
    axes: [{ show: false }, { show: false }],
    padding: [3, 0, 2, 0],
  });
  return { ...drawn, element };
}

/** @param {Line} line @returns {uPlot.Series} */
function stroke({ name, token, fill }) {
  return {
    label: name,
    stroke: () => colour(token),
    fill: fill ? (plot) => shade(plot, token) : undefined,
    width: 1.5,
    points: { show: false },
    spanGaps: false,
  };
}

/** From a tint to nothing, top to bottom. @param {uPlot} plot @param {string} token */
function shade(plot, token) {
  const { top, height } = plot.bbox;
  if (!Number.isFinite(top) || height <= 0) return "transparent";
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, colour(token, 0.2));
  gradient.addColorStop(1, colour(token, 0.01)); // none at all would be a transparent black
  return gradient;
}

/** Keep a plot as wide as its element, and in the colours of the day. It is made once the element has a width.
 * @param {HTMLElement} element @param {number} height @param {Partial<uPlot.Options>} options */
function mount(element, height, options) {
  /** @type {uPlot | null} */
  let plot = null;
  /** @type {any} */
  let columns = options.series?.map(() => []) ?? [[]];
  const scales = {
    x: { time: true, range: () => reach(columns[0]) },
    y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, headroom(most)] },
  };
  const sized = new ResizeObserver(() => {
    const width = Math.floor(element.clientWidth);
    if (width === 0) return;
    if (plot) plot.setSize({ width, height });
    else
      plot = new uPlot(
        /** @type {any} */ ({ width, height, legend: { show: false }, scales, ...options }),
        columns,
        element,
      );
  });
  sized.observe(element);
  const untheme = onThemeChange(() => plot?.redraw(false, true));
  return {
    update(/** @type {any[]} */ [times, ...lists]) {
      columns = [times.map((/** @type {number} */ at) => at / 1000), ...lists];
      plot?.setData(columns);
    },
    dispose() {
      sized.disconnect();
      untheme();
      plot?.destroy();
    },
  };
}

/**
 * From when to when: as far as there are values, up to the window. By the server's clock: the browser's need not
 * agree.
 * @param {number[]} times @returns {[number, number]} */
function reach(times) {
  const newest = times.at(-1) ?? Date.now() / 1000;
  const span = newest - (times[0] ?? newest);
  return [newest - Math.min(WINDOW_S, Math.max(FEWEST_S, span)), newest];
}

/**
 * The top of a scale: a little above the highest value, and never so low that a flat nothing looks like a lot.
 * @param {number | null} most
 */
function headroom(most) {
  return Math.max(1, (most ?? 0) * 1.12);
}
