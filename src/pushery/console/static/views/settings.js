// An app's settings, made from the server's own list of them: changed ones are marked, and only those are sent.
// Webhooks have a tab of their own; who the app is and its end are in settings-app.js.
// Invariants: what is saved is the difference between the form and the app, nothing else; whoever leaves with such a
// difference is asked.

import { holdBack } from "../leaving.js";
import { button, emptyState, h, notice, plural, replace, searchField, toast } from "../ui.js";
import { appCard, dangerZone } from "./settings-app.js";
import { settingRow } from "./setting-row.js";

const GROUPS = {
  general: ["General", "Whether the app is on, what it speaks, and whether it has users."],
  channels: ["Channels", "What is told on channels, and what they keep."],
  limits: ["Limits", "How much of everything, and how large."],
  access: ["Access", "Who may connect, and from where."],
  webhooks: ["Webhooks", "How events are told; their addresses are in the tab Webhooks."],
};

/** @param {any} ctx */
export default async function view(ctx) {
  const { params, api, me, app, reload } = ctx;
  const schema = await api.get("schema");
  const shown = schema.settings.filter((/** @type {any} */ each) => each.type !== "webhooks");
  const problems = h("div", null);
  const bar = h("div", { class: "save-bar", role: "region", "aria-label": "Changes", hidden: true });
  const rows = shown.map((/** @type {any} */ setting) =>
    settingRow(setting, app.settings[setting.name], { locked: setting.operator_only && !me.operator, onchange: drawBar }),
  );
  const changed = () => rows.filter((/** @type {any} */ row) => row.changed);
  const save = button("Save changes", { kind: "primary", onclick: send });
  const said = h("span", { class: "grow" });
  replace(
    bar,
    said,
    button("Discard", { kind: "quiet", onclick: () => rows.forEach((/** @type {any} */ row) => row.restore()) }),
    save,
  );

  function drawBar() {
    const many = changed().length;
    bar.hidden = many === 0;
    said.textContent = `${plural(many, "change")} not saved`;
  }

  /** @returns {Promise<boolean>} whether everything is saved now */
  async function send() {
    const rowsToSave = changed();
    if (rowsToSave.some((/** @type {any} */ row) => row.complain())) return bad();
    save.disabled = true;
    for (const row of rows) row.setProblem(null);
    replace(problems);
    try {
      await api.patch(api.path("apps", params.key), {
        settings: Object.fromEntries(rowsToSave.map((/** @type {any} */ row) => [row.name, row.value])),
      });
      const now = await reload();
      for (const row of rows) row.saved(now.settings[row.name]);
      toast(`${plural(rowsToSave.length, "setting")} saved`);
    } catch (error) {
      explain(/** @type {any} */ (error));
    }
    save.disabled = false;
    return changed().length === 0;
  }

  /** Put each problem beside its setting; what belongs to none of them stands above. @param {any} error */
  function explain(error) {
    const texts = error.details?.problems ?? [error.message];
    const homeless = texts.filter((/** @type {string} */ text) => {
      const row = rows.find((/** @type {any} */ each) => text.startsWith(each.name));
      row?.setProblem(text.replace(/^[\w[\]]+: /, ""));
      return !row;
    });
    if (homeless.length > 0) replace(problems, notice(homeless.join("; "), "bad"));
    bad();
  }

  function bad() {
    const first = /** @type {HTMLElement | null} */ (
      element.querySelector(".setting [aria-invalid='true'], .setting.has-problem input, .notice.bad")
    );
    first?.scrollIntoView({ block: "center" });
    first?.focus();
    return false;
  }

  const nothing = h("div", { hidden: true }, emptyState("No such setting", "Try another word.", null, "search"));
  const sections = Object.entries(GROUPS)
    .map(([group, words]) =>
      groupSection(
        words,
        rows.filter((/** @type {any} */ row) => row.group === group),
      ),
    )
    .filter(Boolean);
  const search = searchField({
    label: "Find a setting",
    oninput(text) {
      const words = text.toLowerCase().split(/\s+/);
      for (const row of rows) row.element.hidden = !words.every((word) => row.words.includes(word));
      for (const section of sections) section.hidden = !section.querySelector(".setting:not([hidden])");
      nothing.hidden = sections.some((section) => !section.hidden);
    },
  });
  const about = appCard(ctx);
  const release = holdBack({
    changed: () => about.changed() || changed().length > 0,
    save: async () => (!about.changed() || (await about.save())) && (changed().length === 0 || (await send())),
  });
  const element = h(
    "div",
    { class: "stack settings" },
    about.element,
    h("div", { class: "toolbar" }, search),
    problems,
    sections,
    nothing,
    bar,
    me.operator && dangerZone({ ...ctx, ongone: release }),
  );
  return { element, dispose: release };
}

/** @param {string[]} words @param {any[]} rows */
function groupSection([title, text], rows) {
  if (rows.length === 0) return null;
  return h(
    "section",
    { class: "card setting-group" },
    h("header", null, h("h2", null, title), h("p", { class: "hint" }, text)),
    h(
      "div",
      { class: "setting-rows" },
      rows.map((row) => row.element),
    ),
  );
}
