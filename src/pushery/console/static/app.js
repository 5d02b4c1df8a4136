// The shell: who is signed in, the frame around the page, and the router that puts a view into it.
// What a view shows is its own business. Invariant: one view is shown at a time, and it is disposed of before the next.

import * as api from "./api.js";
import { Feed } from "./feed.js";
import { mayFollow } from "./leaving.js";
import { forgetApp, recentApps, rememberFor } from "./recent.js";
import { listenToKeys, showShortcuts } from "./shortcuts.js";
import { nextTheme, setTheme, theme } from "./theme.js";
import { button, emptyState, h, icon, iconButton, linkButton, notice, replace, toast } from "./ui.js";

const STATES = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", stopped: "Stopped" };
const THEME_ICONS = { system: "system", light: "sun", dark: "moon" };

/** @typedef {{element: HTMLElement, dispose?: () => void, update?: (params: any) => void, title?: string}} View */

/** @type {any} */
let me;
/** @type {Feed} */
let feed;
/** @type {{name: string, id: string, view: View} | null} */
let shown = null;
let visit = 0;
const main = h("main", { id: "main", tabindex: "-1" });
const links = h("nav", { class: "nav", "aria-label": "Console" });
const recent = h("nav", { class: "nav recent", "aria-label": "Recent apps" });

/** What an address means: which view, and what tells one visit of it from another. @param {string} hash */
export function route(hash) {
  const path = hash.split("?")[0].replace(/^#?\/?/, "");
  const [first, ...rest] = path.split("/").map(decoded);
  if (!first) return { name: "overview", id: "", params: {} };
  if (first !== "apps") return { name: "missing", id: hash, params: {} };
  const [key, tab = "overview", ...more] = rest;
  if (!key) return { name: "apps", id: "", params: {} };
  return { name: "app", id: key, params: { key, tab: tab || "overview", rest: more } };
}

/** One part of an address; one that is mistyped stays as it is. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Go to an address of the console: `navigate("#/apps")`. @param {string} hash */
export function navigate(hash) {
  location.hash = hash;
}

/** Where somebody starts: the operator at the overview, an app's admin at the app. */
function home() {
  if (me.operator) return "#/";
  return me.apps.length === 1 ? `#/apps/${encodeURIComponent(me.apps[0])}` : "#/apps";
}

async function follow() {
  if (route(location.hash).name === "overview" && !me.operator) return location.replace(home());
  if (!(await mayFollow())) return;
  const going = route(location.hash);
  const mine = (visit += 1);
  mark(going);
  if (shown?.view.update && shown.name === going.name && shown.id === going.id) return shown.view.update(going.params);
  const first = shown === null;
  shown?.view.dispose?.();
  shown = { name: going.name, id: going.id, view: { element: main } };
  const view = await load(going);
  if (mine !== visit) return view.dispose?.();
  shown.view = view;
  replace(main, view.element);
  document.title = `${view.title ?? "Console"} · Pushery`;
  scrollTo(0, 0);
  if (!first) /** @type {HTMLElement} */ (main.querySelector("h1") ?? main).focus({ preventScroll: true });
}

/** @param {{name: string, params: any}} going @returns {Promise<View>} */
async function load({ name, params }) {
  try {
    if (name === "missing") return nowhere();
    const module = await import(`./views/${name}.js`);
    return await module.default({ params, api, feed, me, navigate });
  } catch (error) {
    return failed(/** @type {any} */ (error), params);
  }
}

/** @returns {View} */
function nowhere() {
  return {
    title: "Not found",
    element: emptyState(
      "There is nothing at this address",
      "It may have been moved, or mistyped.",
      linkButton("Go to the start", home(), { kind: "primary" }),
      "empty",
      "h1",
    ),
  };
}

/** @param {any} error @param {any} params @returns {View} */
function failed(error, params) {
  if (error.code === "unknown_app") {
    forgetApp(params.key);
    drawRecent();
    const action = linkButton("See all apps", "#/apps", { kind: "primary" });
    return {
      title: "Not found",
      element: emptyState(
        "There is no such app",
        "It has been unregistered, or it belongs to somebody else.",
        action,
        "app",
        "h1",
      ),
    };
  }
  const again = button("Try again", {
    small: true,
    icon: "refresh",
    onclick: () => {
      shown = null;
      follow();
    },
  });
  return { title: "Trouble", element: h("div", { class: "page" }, h("h1", null, "Trouble"), notice(error.message, "bad", again)) };
}

/** @param {{name: string, params: any}} going */
function mark(going) {
  const at = going.name === "app" ? "apps" : going.name;
  const items = [
    me.operator && ["overview", "#/", "Overview", "overview"],
    ["apps", "#/apps", me.operator || me.apps.length !== 1 ? "Apps" : "Your app", "apps"],
  ];
  replace(
    links,
    items
      .filter(Boolean)
      .map(([name, href, label, mark]) =>
        h("a", { href, "aria-current": at === name ? "page" : null }, icon(mark), label),
      ),
  );
  drawRecent(going.params.key);
}

/** @param {string} [current] the key of the app that is shown */
function drawRecent(current) {
  const apps = recentApps();
  recent.hidden = apps.length === 0;
  replace(
    recent,
    h("h2", null, "Recent"),
    apps.map(({ key, name }) =>
      h(
        "a",
        { href: `#/apps/${encodeURIComponent(key)}`, "aria-current": key === current ? "page" : null, title: name },
        icon("app"),
        h("span", { class: "truncate" }, name),
      ),
    ),
  );
}

function sidebar() {
  return h(
    "aside",
    { class: "side" },
    h(
      "a",
      { class: "brand-mark", href: home() },
      h("img", { src: "/console/static/favicon.svg", alt: "", width: 26, height: 26 }),
      "Pushery",
    ),
    links,
    recent,
    h(
      "div",
      { class: "side-foot" },
      liveState(),
      h(
        "div",
        { class: "side-tools" },
        h(
          "div",
          { class: "who grow" },
          h("span", { class: "truncate" }, me.account),
          h("small", { class: "truncate" }, `Pushery ${me.version}`),
        ),
        keysButton(),
        themeButton(),
        iconButton("sign-out", "Sign out", () => api.signOut()),
      ),
    ),
  );
}

function liveState() {
  const text = h("span", null);
  const element = h("div", { class: "live", role: "status" }, h("i", null), text);
  feed.onstate((state) => {
    element.dataset.state = state;
    text.textContent = STATES[/** @type {keyof typeof STATES} */ (state)];
  });
  return element;
}

function keysButton() {
  const element = iconButton("keyboard", "Keyboard shortcuts", showShortcuts);
  element.classList.add("keys");
  return element;
}

function themeButton() {
  const element = iconButton("system", "", () => {
    setTheme(nextTheme(theme()));
    draw();
  });
  function draw() {
    const label = `Theme: ${theme()}`;
    element.setAttribute("aria-label", label);
    element.title = label;
    replace(element, icon(THEME_ICONS[/** @type {keyof typeof THEME_ICONS} */ (theme())]));
  }
  draw();
  return element;
}

function openFeed() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const url = `${scheme}://${location.host}/console/feed?protocol=7&client=console&version=1`;
  // A session that is over answers 401, which leads to the sign-in page; a server that is away is no news.
  return new Feed(url, () => api.get("me").catch(() => undefined));
}

async function start() {
  const shell = /** @type {HTMLElement} */ (document.getElementById("shell"));
  try {
    me = await api.get("me");
  } catch (error) {
    const again = button("Try again", { small: true, onclick: start });
    if (/** @type {any} */ (error).status !== 401)
      replace(shell, notice(/** @type {any} */ (error).message, "bad", again));
    return;
  }
  api.setCsrf(me.csrf);
  rememberFor(me.account);
  feed = openFeed();
  replace(shell, sidebar(), main);
  document.getElementById("skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  listenToKeys({ overview: () => navigate(home()), apps: () => navigate("#/apps") });
  addEventListener("hashchange", follow);
  addEventListener("console:recent", () => drawRecent(route(location.hash).params.key));
  addEventListener("unhandledrejection", (event) => {
    if (!(event.reason instanceof api.ApiError)) return;
    event.preventDefault();
    if (event.reason.status !== 401) toast(event.reason.message, "bad");
  });
  await follow();
}

start();
