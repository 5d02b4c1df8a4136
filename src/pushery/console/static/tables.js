// Tables and the way through their pages. Rows are values; a column says how one is shown.
// Invariant: on a phone each row becomes a card, so every cell carries the title of its column.

import { h, iconButton, formatNumber, replace } from "./ui.js";

/**
 * @typedef {{title: string, render: (row: any) => any, align?: "end", mono?: boolean, wide?: boolean, actions?:
 * boolean}} Column
 */

/**
 * A table. `element.update(rows)` shows other rows. With `href` a row leads there from anywhere in it; its first
 * cell is the link.
 * @param {{label: string, columns: Column[], rows?: any[], empty?: any, href?: (row: any) => string, onrow?: (row:
 * any) => void}} options
 */
export function table({ label, columns, rows = [], empty, href, onrow }) {
  const body = h("tbody", null);
  const grid = h(
    "table",
    { "aria-label": label },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        columns.map((column) => h("th", { scope: "col", class: column.align }, column.title)),
      ),
    ),
    body,
  );
  const nothing = h("div", { class: "table-empty", hidden: true }, empty ?? "Nothing here.");
  const element = h("div", { class: "table-wrap" }, grid, nothing);
  element.update = (/** @type {any[]} */ next) => {
    grid.hidden = next.length === 0;
    nothing.hidden = next.length > 0;
    replace(
      body,
      next.map((row) => line(row, columns, href, onrow)),
    );
  };
  element.update(rows);
  return element;
}

/**
 * @param {any} row
 * @param {Column[]} columns
 * @param {((row: any) => string) | undefined} href
 * @param {((row: any) => void) | undefined} onrow
 */
function line(row, columns, href, onrow) {
  const cells = columns.map((column, i) => {
    const content = column.render(row);
    const classes = [column.align, column.mono && "mono", column.wide && "wide", column.actions && "row-actions"];
    return h(
      "td",
      { class: classes.filter(Boolean).join(" ") || null, "data-title": column.title || null },
      i === 0 ? lead(content, row, href, onrow) : content,
    );
  });
  return h("tr", { class: href || onrow ? "leads" : null }, cells);
}

/** The first cell of a row that leads somewhere: a link, or a button, stretched over the row by the style sheet.
 * @param {any} content @param {any} row @param {((row: any) => string) | undefined} href @param {((row: any) =>
 * void) | undefined} onrow
 */
function lead(content, row, href, onrow) {
  if (href) return h("a", { class: "row-lead", href: href(row) }, content);
  if (onrow) return h("button", { type: "button", class: "row-lead", onclick: () => onrow(row) }, content);
  return content;
}

/**
 * "1–50 of 1,234" with buttons; nothing when all fits. `element.update({total, offset})`.
 * @param {{total: number, limit: number, offset: number, onchange: (offset: number) => void}} options
 */
export function pager({ total, limit, offset, onchange }) {
  const element = h("div", { class: "pager" });
  element.update = (/** @type {{total: number, offset: number}} */ now) => {
    const last = Math.min(now.offset + limit, now.total);
    const before = iconButton("back", "Previous page", () => onchange(Math.max(0, now.offset - limit)));
    const after = iconButton("forward", "Next page", () => onchange(now.offset + limit));
    before.disabled = now.offset === 0;
    after.disabled = last >= now.total;
    element.hidden = now.total <= limit && now.offset === 0;
    const range = `${formatNumber(now.offset + 1)}–${formatNumber(last)} of ${formatNumber(now.total)}`;
    replace(element, h("span", null, range), before, after);
  };
  element.update({ total, offset });
  return element;
}
