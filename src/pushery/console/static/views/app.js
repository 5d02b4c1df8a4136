// One app: its name, its tabs, and the tab that is open. The tabs are modules of their own, fetched when first opened.
// Invariant: readings are collected as long as the app is open, whichever tab is, so its charts have no holes.

import { rememberApp } from "../recent.js";
import { Series } from "../series.js";
import { badge, copyButton, emptyState, h, linkButton, notice, pageHeader, replace, skeleton, tabs } from "../ui.js";

/** Each tab: its name in the address, its label, and its module where that has another name. */
const TABS = [
  ["overview", "Overview", "app-overview"],
  ["stream", "Stream"],
  ["channels", "Channels"],
  ["tags", "Tags"],
  ["sockets", "Sockets"],
  ["push", "Push"],
  ["webhooks", "Webhooks"],
  ["settings", "Settings"],
  ["keys", "Keys"],
  ["snippets", "Snippets"],
];

/** @param {any} ctx */
export default async function view(ctx) {
  const { key } = ctx.params;
  let app = await ctx.api.get(ctx.api.path("apps", key));
  const series = new Series();
  const leave = ctx.feed.subscribe(`private-app-${key}`, {
    reading: (/** @type {any} */ reading) => series.add(reading),
  });
  const head = h("div", null);
  const way = h("div", null);
  const body = h("div", { class: "tab-body" });
  /** @type {{dispose?: () => void} | null} */
  let open = null;
  let visit = 0;

  function drawHead() {
    rememberApp({ key, name: app.name });
    replace(head, appHeader(app, ctx.me));
  }

  /** What a tab calls when it has changed the app. */
  async function reload() {
    app = await ctx.api.get(ctx.api.path("apps", key));
    drawHead();
    return app;
  }

  /** @param {any} params */
  async function update(params) {
    const mine = (visit += 1);
    const [, label, module] = TABS.find(([name]) => name === params.tab) ?? [];
    open?.dispose?.();
    open = null;
    drawTabs(way, key, params.tab);
    document.title = `${label ?? "Not found"} · ${app.name} · Pushery`;
    const waiting = setTimeout(() => mine === visit && replace(body, skeleton()), 150); // a short wait shows nothing at all
    /** @type {{element: HTMLElement, dispose?: () => void}} */
    const next = label
      ? await openTab(module ?? params.tab, { ...ctx, params, app, reload, series })
      : { element: noSuchTab(key) };
    clearTimeout(waiting);
    if (mine !== visit) return next.dispose?.();
    open = next;
    replace(body, next.element);
    requestAnimationFrame(() => centreTab(way)); // at the first time, the shell has yet to show all this
  }

  drawHead();
  await update(ctx.params);
  return {
    get title() {
      return document.title.replace(/ · Pushery$/, "");
    },
    element: h("div", { class: "page app-page" }, head, way, body),
    update,
    dispose() {
      visit += 1;
      leave();
      open?.dispose?.();
    },
  };
}

/** @param {string} module @param {any} ctx @returns {Promise<{element: HTMLElement, dispose?: () => void}>} */
async function openTab(module, ctx) {
  try {
    const { default: view } = await import(`./${module}.js`);
    return await view(ctx);
  } catch (error) {
    return { element: notice(/** @type {Error} */ (error).message, "bad") };
  }
}

/** @param {any} app @param {any} me */
function appHeader(app, me) {
  const alone = !me.operator && me.apps.length === 1;
  return pageHeader({
    title: app.name,
    sub: h(
      "span",
      { class: "app-key" },
      h("code", null, app.app_key),
      copyButton(app.app_key, "Copy the app key"),
      app.settings.enabled === false && badge("Turned off", "warn"),
    ),
    back: alone ? undefined : { href: "#/apps", label: "Apps" },
  });
}

/** @param {HTMLElement} way @param {string} key @param {string} current */
function drawTabs(way, key, current) {
  const kept = way.querySelector(".tabs")?.scrollLeft ?? 0;
  const focused = way.contains(document.activeElement);
  replace(
    way,
    tabs(
      TABS.map(([name, label]) => ({
        label,
        href: `#/apps/${encodeURIComponent(key)}/${name}`,
        current: name === current,
      })),
      "Parts of the app",
    ),
  );
  const bar = /** @type {HTMLElement} */ (way.querySelector(".tabs"));
  bar.scrollLeft = kept;
  const tab = /** @type {HTMLElement | null} */ (bar.querySelector("[aria-current]"));
  if (focused) tab?.focus();
}

/** @param {string} key */
function noSuchTab(key) {
  const back = linkButton("See its overview", `#/apps/${encodeURIComponent(key)}`, { kind: "primary" });
  return emptyState("This app has no such tab", "It may have been moved, or mistyped.", back);
}

/**
 * On a phone the bar is longer than the screen: bring the open tab into sight, with its neighbours.
 * @param {HTMLElement} way
 */
function centreTab(way) {
  const bar = /** @type {HTMLElement} */ (way.querySelector(".tabs"));
  const tab = /** @type {HTMLElement | null} */ (bar.querySelector("[aria-current]"));
  if (tab) bar.scrollTo({ left: tab.offsetLeft - bar.offsetLeft - (bar.clientWidth - tab.offsetWidth) / 2 });
}
