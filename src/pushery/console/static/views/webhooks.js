// Where an app's events are told, what waits, and what was given up. Editing one is in webhook-editor.js, the dead
// letters are in dead-letters.js. Invariant: a change sends the whole list, made from the newest one of the server.

import { badge, button, card, confirm, emptyState, h, iconButton, replace, switchField, toast } from "../ui.js";
import { deadLetters } from "./dead-letters.js";
import { editWebhook } from "./webhook-editor.js";

const MOST = 20;

/** @param {any} ctx */
export default async function view({ params, api, app, reload }) {
  const path = api.path("apps", params.key);
  const schema = await api.get("schema");
  const list = h("div", null);
  const letters = await deadLetters({ api, key: params.key });
  const batch = switchField({
    label: "Send several events in one request when they queue up",
    checked: app.settings.batch_webhooks,
    hint: "Receivers have to look at every event of a request.",
    onchange: async (on) => {
      const saved = await change({ batch_webhooks: on });
      if (!saved) batch.checked = !on;
    },
  });
  const add = button("Add a webhook", { kind: "primary", icon: "plus", onclick: () => edit(null) });

  /** @param {any} settings @returns {Promise<boolean>} whether it was taken */
  async function change(settings) {
    try {
      await api.patch(path, { settings });
      show(await reload());
      toast("Saved");
      return true;
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "bad");
      return false;
    }
  }

  /** @param {(webhooks: any[]) => any[]} turn what becomes of the list; an ApiError goes to the caller */
  async function store(turn) {
    const { settings } = await api.get(path);
    await api.patch(path, { settings: { webhooks: turn(settings.webhooks) } });
    show(await reload());
    toast("Webhooks saved");
  }

  /** @param {any} old null to add one */
  function edit(old) {
    const events = schema.hook_events;
    editWebhook({
      old,
      events,
      save: (made) => store((all) => (old ? all.map((each) => (same(each, old) ? made : each)) : [...all, made])),
    });
  }

  /** @param {any} old */
  async function remove(old) {
    const text = ["What waits for ", h("code", null, old.url), " is dropped."];
    if (!(await confirm({ title: "Remove this webhook?", text, action: "Remove", danger: true }))) return;
    await store((all) => all.filter((each) => !same(each, old)));
  }

  /** @param {any} now the app */
  function show(now) {
    const { webhooks } = now.settings;
    add.disabled = webhooks.length >= MOST;
    replace(
      list,
      webhooks.length > 0
        ? h(
            "ul",
            { class: "hooks" },
            webhooks.map((/** @type {any} */ each) => hookItem(each, { edit, remove })),
          )
        : nothing(() => edit(null)),
    );
  }

  show(app);
  return {
    element: h(
      "div",
      { class: "stack" },
      card(
        {
          title: "Webhooks",
          hint: "Requests that tell your backend what happens, signed with the app’s secret.",
          actions: [add],
          flush: true,
        },
        list,
        h("div", { class: "card-foot" }, batch.element),
      ),
      letters.element,
    ),
    dispose: letters.dispose,
  };
}

/** @param {any} hook @param {{edit: (hook: any) => void, remove: (hook: any) => void}} options */
function hookItem(hook, { edit, remove }) {
  const { url, events = [], channel_prefix: prefix = "", channel_suffix: suffix = "", headers = {} } = hook;
  const named = Object.keys(headers).length;
  return h(
    "li",
    null,
    h(
      "div",
      { class: "grow stack tight" },
      h("code", { class: "hook-url" }, url),
      h(
        "div",
        { class: "chips" },
        events.length > 0
          ? events.map((/** @type {string} */ event) => badge(event))
          : badge("all events of the protocol", "accent"),
        (prefix || suffix) && badge(`channels ${prefix}…${suffix}`),
        named > 0 && badge(`${named} more header${named === 1 ? "" : "s"}`),
      ),
    ),
    h(
      "div",
      { class: "actions" },
      button("Edit", { small: true, icon: "edit", onclick: () => edit(hook) }),
      iconButton("trash", `Remove ${url}`, () => remove(hook)),
    ),
  );
}

/** @param {() => void} add */
function nothing(add) {
  return emptyState(
    "No webhooks",
    "Name a URL, and it is told when channels fill and empty, when members come and go, and what clients send.",
    button("Add a webhook", { kind: "primary", icon: "plus", onclick: add }),
    "hook",
  );
}

/** @param {any} one @param {any} other */
function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
