// What an app is called, who administers it, and its end.

import { forgetApp } from "../recent.js";
import { button, card, confirm, field, h, notice, replace, toast } from "../ui.js";

/**
 * The form of the app's name, account and password. `save` says whether they are saved now.
 * @param {any} ctx @returns {{element: HTMLElement, changed: () => boolean, save: () => Promise<boolean>}}
 */
export function appCard({ params, api, app, reload }) {
  let held = app;
  const name = field({ label: "Name", value: app.name, attributes: { maxlength: 200 }, oninput: draw });
  const account = field({ label: "Admin account", value: app.auth_account, attributes: { maxlength: 200 }, oninput: draw });
  const password = field({
    label: "New admin password",
    type: "password",
    placeholder: "unchanged",
    attributes: { maxlength: 200, autocomplete: "new-password" },
    oninput: draw,
  });
  const save = button("Save", { kind: "primary", type: "submit" });
  const problem = h("div", null);

  function changes() {
    const wanted = { name: name.value, auth_account: account.value, auth_password: password.value || held.auth_password };
    return Object.fromEntries(Object.entries(wanted).filter(([member, text]) => text !== held[member]));
  }

  const changed = () => Object.keys(changes()).length > 0;

  function draw() {
    save.disabled = !changed();
  }

  async function send() {
    replace(problem);
    try {
      await api.patch(api.path("apps", params.key), changes());
      held = await reload();
      password.value = "";
      toast("Saved");
    } catch (error) {
      replace(problem, notice(/** @type {Error} */ (error).message, "bad"));
      problem.scrollIntoView({ block: "center" });
    }
    draw();
    return !changed();
  }

  draw();
  const form = h(
    "form",
    {
      class: "stack",
      onsubmit(/** @type {Event} */ submitted) {
        submitted.preventDefault();
        send();
      },
    },
    h("div", { class: "app-fields" }, name.element, account.element, password.element),
    problem,
    h("div", null, save),
  );
  const hint = "Its admin signs in here, and calls the HTTP API, for this app alone.";
  return { element: card({ title: "The app", hint }, form), changed, save: send };
}

/** Unregistering, behind a question that asks for the app's name; `ongone` is called when it is done. @param {any} ctx */
export function dangerZone({ params, api, app, navigate, ongone }) {
  async function unregister() {
    const text =
      "Its keys stop working, its sockets are closed with 4001, and its settings and webhooks are gone. This cannot be undone.";
    if (!(await confirm({ title: `Unregister ${app.name}?`, text, action: "Unregister", danger: true, typed: app.name }))) return;
    try {
      await api.del(api.path("apps", params.key));
      forgetApp(params.key);
      ongone();
      toast(`${app.name} is unregistered`);
      navigate("#/apps");
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "bad");
    }
  }

  return card(
    { title: "Danger zone", class: "danger-zone" },
    h(
      "div",
      { class: "row" },
      h(
        "div",
        { class: "grow" },
        h("h3", null, "Unregister this app"),
        h("p", { class: "hint" }, "Removes it for good and closes its sockets."),
      ),
      button("Unregister…", { kind: "danger", icon: "trash", onclick: unregister }),
    ),
  );
}
