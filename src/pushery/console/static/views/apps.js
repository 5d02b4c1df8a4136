// All apps: find one, see which are busy, register another. What an app is made of is shown by its own tabs.

import {
  button,
  badge,
  card,
  emptyState,
  formatAge,
  formatNumber,
  h,
  notice,
  pageHeader,
  pager,
  searchField,
  skeleton,
  table,
  replace,
} from "../ui.js";
import { keepingPlace, newest, whileSeen } from "../lib/timing.js";
import { registerApp } from "./apps-register.js";

const LIMIT = 50;
const REFRESH_MS = 5_000;

/** @param {{api: any, me: any, navigate: (hash: string) => void}} ctx */
export default async function view({ api, me, navigate }) {
  const asked = { search: "", offset: 0 };
  const rows = table({ label: "Apps", columns: columns(), href: (app) => `#/apps/${app.app_key}` });
  const pages = pager({ total: 0, limit: LIMIT, offset: 0, onchange: (offset) => ask({ offset }) });
  const body = h("div", null, skeleton(6));
  const count = h("span", null, "…");
  const register = () => registerApp({ api, navigate, ondone: () => ask({}) });

  const load = newest(
    (question) => api.get("apps", { limit: LIMIT, offset: question.offset, search: question.search }),
    (answer, question) => keepingPlace(body, () => show(answer, question)),
    (error) => replace(body, notice(error.message, "bad", button("Try again", { small: true, onclick: () => ask({}) }))),
  );

  /** @param {Partial<typeof asked>} change */
  function ask(change) {
    Object.assign(asked, change);
    return load({ ...asked });
  }

  /** @param {{total: number, apps: any[]}} answer @param {typeof asked} question */
  function show({ total, apps }, { search, offset }) {
    count.textContent = search ? `${formatNumber(total)} found` : `${formatNumber(total)} registered`;
    pages.update({ total, offset });
    if (total > 0) {
      rows.update(apps);
      if (rows.parentElement !== body) replace(body, rows);
    } else {
      replace(body, search ? nothingFound(search) : noApps(me.operator && register));
    }
  }

  const search = searchField({
    label: "Search apps",
    placeholder: "Name, key or id",
    oninput: (text) => ask({ search: text.trim(), offset: 0 }),
  });
  await ask({});
  const stop = whileSeen(() => ask({}), REFRESH_MS);
  return {
    element: h(
      "div",
      { class: "page" },
      pageHeader({
        title: "Apps",
        sub: count,
        actions: me.operator ? [button("Register an app", { kind: "primary", icon: "plus", onclick: register })] : [],
      }),
      h("div", { class: "toolbar" }, search),
      card({ flush: true }, body, pages),
    ),
    dispose() {
      stop();
      load.stop();
    },
  };
}

/** @returns {import("../tables.js").Column[]} */
function columns() {
  return [
    { title: "App", render: nameCell },
    { title: "Key", mono: true, render: (app) => app.app_key },
    { title: "Connections", align: "end", render: (app) => formatNumber(app.now.connections) },
    { title: "Pushes", align: "end", render: (app) => formatNumber(app.now.pushes) },
    { title: "Messages out", align: "end", render: (app) => formatNumber(app.now.messages_out) },
    { title: "Age", align: "end", render: (app) => formatAge(app.registered_ms) },
  ];
}

/** @param {any} app */
function nameCell(app) {
  return h("span", { class: "name-cell" }, h("span", { class: "name" }, app.name), !app.settings.enabled && badge("off", "warn"));
}

/** @param {false | (() => void)} register */
function noApps(register) {
  if (!register) return emptyState("No app", "This account administers no app that still exists.", null, "apps");
  return emptyState(
    "No apps yet",
    "An app is a namespace of its own: its keys, its tags and channels, its settings. Register the first one, and copy a snippet to connect.",
    button("Register an app", { kind: "primary", icon: "plus", onclick: register }),
    "apps",
  );
}

/** @param {string} search */
function nothingFound(search) {
  return emptyState("Nothing found", `No app has “${search}” in its name, key or id.`, null, "search");
}
