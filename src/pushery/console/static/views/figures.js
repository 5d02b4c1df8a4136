// The row of numbers above the charts: a name, the value now, a line below it, and the last five minutes as a
// sparkline.

import { sparkline } from "../charts.js";
import { h, replace } from "../ui.js";

/**
 * @typedef {{label: string, name: string, token: string, value: (reading: any) => [string, string?], sub?: (reading:
 * any) => string,
 *   tone?: (reading: any) => string | null}} Figure
 * `name` is the value of the reading that the sparkline draws; `value` is the text and its unit; `tone` colours it
 * ("warn", "bad").
 */

/**
 * @param {Figure[]} figures
 * @param {string} label
 * @returns {{element: HTMLElement, update: (series: any) => void, dispose: () => void}}
 */
export function figureRow(figures, label) {
  const cells = figures.map(cell);
  return {
    element: h(
      "section",
      { class: "figures", "aria-label": label, style: { "--figures": figures.length } },
      cells.map((each) => each.element),
    ),
    update: (series) => cells.forEach((each) => each.update(series)),
    dispose: () => cells.forEach((each) => each.line.dispose()),
  };
}

/** @param {Figure} figure */
function cell(figure) {
  const value = h("p", { class: "figure-value" }, "–");
  const sub = h("p", { class: "figure-sub" }, "\u00a0");
  const line = sparkline({ label: `${figure.label}, the last five minutes`, token: figure.token });
  const element = h("div", { class: "figure" }, h("h2", null, figure.label), value, sub, line.element);
  return {
    element,
    line,
    update(/** @type {any} */ series) {
      line.update(series.columns(figure.name));
      const reading = series.last;
      if (!reading) return;
      const [text, unit] = figure.value(reading);
      replace(value, text, unit && h("small", null, unit));
      sub.textContent = figure.sub?.(reading) ?? "\u00a0";
      element.dataset.tone = figure.tone?.(reading) ?? "";
    },
  };
}
