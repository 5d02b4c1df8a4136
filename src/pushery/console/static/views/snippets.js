// Programs to copy for this app (lib/snippets.js). Secrets are dots until somebody asks; a copy always has them.

import { card, copyButton, field, h, notice, replace, segmented, shortened, switchField } from "../ui.js";
import { snippets, wholeText } from "../lib/snippets.js";

const DOTS = "•".repeat(12);
const MASK = "********";
const PORTS = { "http:": 80, "https:": 443 };
/** The language that was looked at last; the next app begins with it. */
let chosen = "curl";

/** @param {any} ctx */
export default async function view({ app, me }) {
  const state = { pair: app.keys[app.keys.length - 1], open: false };
  const body = h("div", { class: "stack" });
  const all = () => snippets(valuesFor(app, state.pair, me));

  function draw() {
    const snippet = all().find((each) => each.id === chosen) ?? all()[0];
    replace(
      body,
      snippet.blocks.map((block) => blockCard(block, state.open)),
    );
  }

  const languages = segmented({
    label: "Language",
    options: all().map(({ id, title }) => ({ value: id, label: title })),
    value: chosen,
    onchange(id) {
      chosen = id;
      draw();
    },
  });
  const reveal = switchField({
    label: "Show secrets",
    onchange(open) {
      state.open = open;
      draw();
    },
  });
  const which = field({
    label: "Key",
    type: "select",
    mono: true,
    value: state.pair.key,
    options: app.keys.map((/** @type {any} */ pair) => ({ value: pair.key, label: shortened(pair.key, 12) })),
  });
  which.input.addEventListener("change", () => {
    state.pair = app.keys.find((/** @type {any} */ pair) => pair.key === which.value);
    draw();
  });
  draw();
  const masked = state.pair.secret === MASK;
  return {
    element: h(
      "div",
      { class: "stack snippets" },
      h(
        "div",
        { class: "toolbar" },
        h("div", { class: "scroll-x" }, languages),
        h("span", { class: "grow" }),
        app.keys.length > 1 && which.element,
        reveal.element,
      ),
      masked && notice(`This server masks its secrets: put yours where ${MASK} stands.`, "warn"),
      body,
    ),
  };
}

/** @param {any} block @param {boolean} open whether secrets are shown */
function blockCard(block, open) {
  const pieces = block.parts.map((/** @type {any} */ part) =>
    typeof part === "string" ? part : h("span", { class: "secret-part", title: part.name }, open ? part.value : DOTS),
  );
  return card(
    { title: block.title, hint: block.note, actions: [copyButton(() => wholeText(block), "Copy", true)] },
    h("div", { class: "code-block" }, h("pre", { tabindex: "0", "aria-label": block.title }, h("code", null, pieces))),
  );
}

/** @param {any} app @param {{key: string, secret: string}} pair @param {any} me */
function valuesFor(app, pair, me) {
  const here = Number(location.port) || PORTS[/** @type {keyof typeof PORTS} */ (location.protocol)];
  return {
    appKey: app.app_key,
    id: app.app_id,
    key: pair.key,
    secret: pair.secret,
    account: app.auth_account,
    password: app.auth_password,
    clients: { host: location.hostname, port: me.client_port ?? here, tls: me.tls },
    backends: { host: location.hostname, port: here, tls: location.protocol === "https:" },
  };
}
