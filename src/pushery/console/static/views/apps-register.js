// Registering an app: a few fields, then what the server has made, to be copied.
// Invariant: the new secret and password are never kept; they are gone when the dialog is.

import { button, dialog, field, h, notice, secret } from "../ui.js";
import { tabLink } from "../lib/links.js";

/**
 * Ask for a new app's name, register it, show its credentials.
 * @param {{api: any, navigate: (hash: string) => void, ondone: () => void}} options
 */
export function registerApp({ api, navigate, ondone }) {
  const name = field({
    label: "Name",
    required: true,
    hint: "What people call it. Need not be unique.",
    attributes: { maxlength: 200 },
  });
  const account = field({
    label: "Admin account",
    placeholder: "the name",
    hint: "Signs in here, and calls the HTTP API, for this app alone.",
    attributes: { maxlength: 200 },
  });
  const password = field({
    label: "Admin password",
    type: "password",
    placeholder: "a random one",
    attributes: { maxlength: 200, autocomplete: "new-password" },
  });
  const more = h(
    "details",
    { class: "more" },
    h("summary", null, "Choose the app’s admin"),
    h("div", { class: "stack" }, account.element, password.element),
  );
  const problem = h("div", null);
  const go = button("Register", { kind: "primary", type: "submit" });
  const opened = dialog({
    title: "Register an app",
    body: [h("div", { class: "stack" }, name.element, more, problem)],
    actions: [button("Cancel", { onclick: () => opened.close() }), go],
    onsubmit: send,
  });

  async function send() {
    name.setError(name.value.trim() ? null : "An app needs a name.");
    if (!name.value.trim()) return name.input.focus();
    go.disabled = true;
    try {
      const app = await api.post("apps", wanted());
      opened.close();
      ondone();
      showCredentials(app, navigate);
    } catch (error) {
      go.disabled = false;
      problem.replaceChildren(notice(/** @type {Error} */ (error).message, "bad"));
    }
  }

  function wanted() {
    const given = { name: name.value.trim(), auth_account: account.value.trim(), auth_password: password.value };
    return Object.fromEntries(Object.entries(given).filter(([, text]) => text));
  }
}

/** @param {any} app as the server has made it @param {(hash: string) => void} navigate */
function showCredentials(app, navigate) {
  const [pair] = app.keys;
  const rows = [
    ["App key", secret(app.app_key, { hidden: false, label: "app key" })],
    ["App id", secret(app.app_id, { hidden: false, label: "app id" })],
    ["Secret", secret(pair.secret, { hidden: false, label: "app secret" })],
    ["Admin account", secret(app.auth_account, { hidden: false, label: "account" })],
    ["Admin password", secret(app.auth_password, { hidden: false, label: "password" })],
  ];
  const opened = dialog({
    title: `${app.name} is registered`,
    wide: true,
    body: [
      notice("Copy what you need now. A server that masks its secrets never shows these again.", "warn"),
      h(
        "dl",
        { class: "credentials" },
        rows.map(([term, value]) => h("div", null, h("dt", null, term), h("dd", null, value))),
      ),
    ],
    actions: [
      button("Open the app", { onclick: () => leave(`#/apps/${app.app_key}`) }),
      button("Show me snippets", { kind: "primary", icon: "code", onclick: () => leave(tabLink(app.app_key, "snippets")) }),
    ],
  });

  /** @param {string} hash */
  function leave(hash) {
    opened.close();
    navigate(hash);
  }
}
