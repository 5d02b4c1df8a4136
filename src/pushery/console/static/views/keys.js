// An app's keys and secrets: see, copy, rotate. Rotation is explained in the order in which it has to be done.

import {
  badge,
  button,
  card,
  confirm,
  copyButton,
  dialog,
  formatAge,
  formatDate,
  h,
  notice,
  plural,
  replace,
  secret,
  shortened,
  toast,
} from "../ui.js";

const MOST = 5;
const MASK = "********";

/** @param {any} ctx */
export default async function view({ params, api, app, reload }) {
  const { key } = params;
  const list = h("ul", { class: "key-list" });
  const steps = h("div", null);
  const rotate = button("Make a new key", { kind: "primary", icon: "plus", onclick: make });

  /** @param {any} now the app */
  function show(now) {
    replace(
      list,
      now.keys.map((/** @type {any} */ pair, /** @type {number} */ at) => keyItem(pair, { at, of: now.keys.length, revoke })),
    );
    rotate.disabled = now.keys.length >= MOST;
    rotate.title = rotate.disabled ? `An app has at most ${MOST} keys: revoke one that is not used any more.` : "";
    replace(steps, rotation(now.keys.length));
  }

  async function make() {
    rotate.disabled = true;
    try {
      const pair = await api.post(api.path("apps", key, "keys"));
      show(await reload());
      showNew(pair);
    } catch (error) {
      rotate.disabled = false;
      toast(/** @type {Error} */ (error).message, "bad");
    }
  }

  /** @param {any} pair */
  async function revoke(pair) {
    const text = [
      "Nobody connects or signs with it from then on, and that cannot be undone. Sockets that have connected with it stay. It was made ",
      formatDate(pair.created_ms),
      ".",
    ];
    if (!(await confirm({ title: "Revoke this key?", text, action: "Revoke", danger: true }))) return;
    try {
      await api.del(api.path("apps", key, "keys", pair.key));
      toast(`Key ${shortened(pair.key, 8)} is revoked`);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "bad");
    }
    show(await reload());
  }

  show(app);
  return {
    element: h(
      "div",
      { class: "keys-columns" },
      card(
        {
          title: "Keys",
          hint: "Clients connect with a key; backends sign with its secret. Every key here is valid.",
          actions: [rotate],
          flush: true,
        },
        list,
      ),
      card({ title: "How to rotate" }, steps),
    ),
  };
}

/** @param {any} pair @param {{at: number, of: number, revoke: (pair: any) => void}} options */
function keyItem(pair, { at, of, revoke }) {
  const masked = pair.secret === MASK;
  const last = of === 1;
  return h(
    "li",
    null,
    h(
      "div",
      { class: "row" },
      h("span", { class: "secret" }, h("code", { class: "secret-text key-text" }, pair.key), copyButton(pair.key, "Copy key")),
      of > 1 && at === of - 1 && badge("newest", "accent"),
      of > 1 && at === 0 && badge("oldest"),
      h("span", { class: "grow" }),
      button("Revoke", {
        small: true,
        kind: "danger",
        disabled: last,
        title: last ? "The last key: make a new one first." : undefined,
        onclick: () => revoke(pair),
      }),
    ),
    h(
      "div",
      { class: "row key-facts" },
      h("span", { class: "muted" }, "Secret"),
      masked ? h("span", { class: "hint" }, "masked by the server") : secret(pair.secret, { label: "secret" }),
      h("span", { class: "grow" }),
      h("span", { class: "faint", title: formatDate(pair.created_ms) }, `made ${formatAge(pair.created_ms)} ago`),
    ),
  );
}

/** @param {number} keys how many there are */
function rotation(keys) {
  const at = keys > 1 ? 1 : 0;
  const lines = [
    ["Make a new key", "The old one stays valid, so nothing breaks."],
    ["Give your backends the new key and secret", "They sign with it from their next start on. Then give clients the new key."],
    [
      "Wait until nobody uses the old one",
      "Pages that are open keep theirs until they are loaded again. Webhooks are signed with the oldest key, so receivers have to know both meanwhile.",
    ],
    ["Revoke the old key", "Sockets that have connected with it stay; new ones are refused."],
  ];
  return [
    keys > 1 && notice(`${plural(keys, "key")} are valid: a rotation is under way.`, "info"),
    h(
      "ol",
      { class: "steps" },
      lines.map(([title, text], i) =>
        h("li", { "aria-current": i === at ? "step" : null }, h("strong", null, title), h("p", { class: "hint" }, text)),
      ),
    ),
  ];
}

/** @param {any} pair */
function showNew(pair) {
  const opened = dialog({
    title: "A new key",
    wide: true,
    body: [
      notice("Copy the secret now: a server that masks its secrets never shows it again.", "warn"),
      h(
        "dl",
        { class: "credentials" },
        h("div", null, h("dt", null, "Key"), h("dd", null, secret(pair.key, { hidden: false, label: "key" }))),
        h("div", null, h("dt", null, "Secret"), h("dd", null, secret(pair.secret, { hidden: false, label: "new secret" }))),
      ),
      h("p", { class: "hint" }, "Next: give both to your backends, then the key to your clients, and revoke the old key at last."),
    ],
    actions: [button("Done", { kind: "primary", onclick: () => opened.close() })],
  });
}
