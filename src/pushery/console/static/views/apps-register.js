// Registering an app: a few fields, then what the server has made, to be copied.
// Invariants: the new secret and password are never kept; they are gone when the dialog is. What the server refuses
// stands beside the field that it is about.

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
  const kept = keptFields();
  /** By the name that the server has for each. */
  const fields = { name, auth_account: account, auth_password: password, ...kept };
  const admin = more("Choose the app’s admin", null, [account, password]);
  const moving = more(
    "Moving from another server?",
    "An app that comes from Pusher, soketi or Reverb keeps its credentials: its clients and backends need no others.",
    Object.values(kept),
  );
  const problem = h("div", null);
  const go = button("Register", { kind: "primary", type: "submit" });
  const opened = dialog({
    title: "Register an app",
    body: [h("div", { class: "stack" }, name.element, admin, moving, problem)],
    actions: [button("Cancel", { onclick: () => opened.close() }), go],
    onsubmit: send,
  });

  async function send() {
    problem.replaceChildren();
    for (const each of Object.values(fields)) each.setError(null);
    if (!name.value.trim()) return complain(name, "An app needs a name.");
    go.disabled = true;
    try {
      const app = await api.post("apps", wanted());
      opened.close();
      ondone();
      showCredentials(app, navigate);
    } catch (error) {
      go.disabled = false;
      explain(/** @type {any} */ (error));
    }
  }

  function wanted() {
    const texts = Object.entries(fields).map(([member, { value }]) => [member, value.trim()]);
    const given = Object.fromEntries(texts.filter(([, text]) => text));
    return password.value ? { ...given, auth_password: password.value } : given; // spaces are part of a password
  }

  /** @param {import("../api.js").ApiError} error */
  function explain({ message, details }) {
    const tooLong = message.match(/ at `\$\.(\w+)`/)?.[1]; // a text that breaks a limit of the body's schema
    const about = fields[/** @type {keyof typeof fields} */ (details?.parameter ?? tooLong)];
    if (about) return complain(about, tooLong ? "This is too long." : message);
    problem.replaceChildren(notice(message, "bad"));
  }
}

/** A part of the form that few need. @param {string} title @param {string | null} text @param {any[]} fields */
function more(title, text, fields) {
  const elements = fields.map((each) => each.element);
  return h(
    "details",
    { class: "more" },
    h("summary", null, title),
    h("div", { class: "stack" }, text && h("p", { class: "hint" }, text), elements),
  );
}

/** What an app keeps that comes from another server. No `maxlength`: a key that is cut off unseen fits no client. */
function keptFields() {
  const named = { mono: true, hint: "Letters, digits, “-” and “_”, at most 64." };
  const visible = { mono: true, hint: "Visible ASCII characters, at most 128." };
  return {
    app_id: field({ label: "App id", placeholder: "the next number", ...named }),
    app_key: field({ label: "App key", placeholder: "a random one", ...named }),
    app_secret: field({ label: "App secret", placeholder: "a random one", ...visible }),
  };
}

/** Say what is wrong with a field, and bring whoever writes there. @param {any} about @param {string} text */
function complain(about, text) {
  about.setError(text);
  const folded = about.element.closest("details");
  if (folded) folded.open = true;
  about.input.focus();
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
