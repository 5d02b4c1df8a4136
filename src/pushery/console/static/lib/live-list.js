// A list of what is there at this moment, page by page: asked for again every few seconds, each row opening a panel that
// has an address of its own. What is listed is the view's business. Invariant: only the newest answer is shown, and
// nothing is asked for while a panel is open or the page is not seen.

import { card, h, notice, pager, replace, skeleton, table } from "../ui.js";
import { tabLink } from "./links.js";
import { keepingPlace, newest, whileSeen } from "./timing.js";

const LIMIT = 50;
const REFRESH_MS = 3_000;

/**
 * @param {{
 *   ctx: any, tab: string, label: string, columns: import("../tables.js").Column[], asked: Record<string, string>,
 *   nameOf: (row: any) => string, openPanel: (name: string, onclose: () => void) => {dispose: () => void},
 *   rowsOf: (answer: any) => any[], said: (total: number, asked: any) => string, nothing: (asked: any) => HTMLElement,
 * }} options `tab` is what the list is called in the API and in the address; `asked` are the parameters beside paging.
 */
export function liveList({ ctx, tab, label, columns, asked, nameOf, openPanel, rowsOf, said, nothing }) {
  const { key, rest } = ctx.params;
  /** @type {{dispose: () => void} | null} */
  let panel = null;
  /** @type {any} */
  const question = { ...asked, offset: 0 };
  const body = h("div", null, skeleton(6));
  const count = h("span", { class: "muted", role: "status" });
  const rows = table({ label, columns, onrow: (row) => open(nameOf(row)) });
  const pages = pager({ total: 0, limit: LIMIT, offset: 0, onchange: (offset) => ask({ offset }) });

  const load = newest(
    (/** @type {any} */ wanted) => ctx.api.get(ctx.api.path("apps", key, tab), { ...wanted, limit: LIMIT }),
    (/** @type {any} */ answer, /** @type {any} */ wanted) => keepingPlace(body, () => show(answer, wanted)),
    (/** @type {Error} */ error) => replace(body, notice(error.message, "bad")),
  );

  /** @param {Record<string, unknown>} change */
  function ask(change) {
    Object.assign(question, change);
    return load({ ...question });
  }

  /** Open the panel; the address leads there too, and the list stays as it is. @param {string} name */
  function open(name) {
    history.replaceState(history.state, "", `${tabLink(key, tab)}/${encodeURIComponent(name)}`);
    panel = openPanel(name, onclose);
  }

  function onclose() {
    panel = null;
    history.replaceState(history.state, "", tabLink(key, tab));
    ask({});
  }

  /** @param {any} answer @param {any} wanted */
  function show(answer, wanted) {
    count.textContent = said(answer.total, wanted);
    pages.update({ total: answer.total, offset: wanted.offset });
    if (answer.total === 0) return replace(body, nothing(wanted));
    rows.update(rowsOf(answer));
    if (rows.parentElement !== body) replace(body, rows);
  }

  return {
    /** Ask with other parameters, from the first page on. @param {Record<string, string>} change */
    search: (change) => ask({ ...change, offset: 0 }),

    /** The tab, once the first answer is there. @param {...HTMLElement} tools what stands above the list */
    async view(...tools) {
      await ask({});
      if (rest[0]) open(rest[0]);
      const stop = whileSeen(() => panel === null && ask({}), REFRESH_MS);
      return {
        element: h(
          "div",
          { class: "stack" },
          h("div", { class: "toolbar" }, ...tools, h("span", { class: "grow" }), count),
          card({ flush: true }, body, pages),
        ),
        dispose() {
          stop();
          load.stop();
          panel?.dispose();
        },
      };
    },
  };
}
