// Events that wait to be told, and those that were given up: look into them, send them again, drop them.
// Invariant: what is done to "all" is done to all that the server has, also to those not shown.

import {
  badge,
  button,
  card,
  codeBlock,
  confirm,
  dialog,
  formatDate,
  formatNumber,
  formatAge,
  h,
  keyValues,
  notice,
  plural,
  pretty,
  replace,
  table,
  toast,
} from "../ui.js";
import { keepingPlace, newest, whileSeen } from "../lib/timing.js";

const LIMIT = 200;
const REFRESH_MS = 3_000;

/** @param {{api: any, key: string}} options @returns {Promise<{element: HTMLElement, dispose: () => void}>} */
export async function deadLetters({ api, key }) {
  const path = api.path("apps", key, "dead-letters");
  /** @type {Set<any>} */
  const selected = new Set();
  /** @type {any[]} */
  let dead = [];
  const waiting = table({ label: "Waiting events", columns: waitingColumns(), empty: "Nothing waits: everything is told." });
  const rows = table({
    label: "Dead letters",
    columns: deadColumns(selected, draw, look),
    empty: "None. What a webhook never accepts ends here.",
  });
  const waitingCount = h("span", null);
  const deadCount = h("span", null);
  const problem = h("div", null);
  const some = h("div", { class: "actions" });

  const load = newest(
    () => api.get(path, { limit: LIMIT }),
    (answer) => keepingPlace(body, () => show(answer)),
    (error) => replace(problem, notice(error.message, "bad")),
  );

  /** @param {any} answer */
  function show(answer) {
    dead = answer.dead;
    const ids = new Set(dead.map((letter) => letter.id));
    for (const id of selected) if (!ids.has(id)) selected.delete(id);
    replace(problem);
    waiting.update(answer.waiting);
    rows.update(dead);
    replace(waitingCount, answer.waiting.length > 0 && badge(formatNumber(answer.waiting.length), "accent"));
    replace(deadCount, dead.length > 0 && badge(formatNumber(dead.length), "bad"));
    draw();
  }

  function draw() {
    const many = selected.size;
    const what = many > 0 ? plural(many, "letter") : "all";
    const ids = many > 0 ? [...selected] : null;
    replace(
      some,
      dead.length > 0 && [
        button(`Replay ${what}`, { small: true, icon: "refresh", onclick: () => replay(ids) }),
        button(`Drop ${what}`, { small: true, kind: "danger", icon: "trash", onclick: () => drop(ids, what) }),
      ],
    );
  }

  /** @param {string} verb @param {any[] | null} ids @param {(count: number) => string} words */
  async function perform(verb, ids, words) {
    try {
      const { count } = await api.post(`${path}/${verb}`, { ids });
      toast(words(count));
      selected.clear();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "bad");
    }
    await load(null);
  }

  /** @param {any[] | null} ids */
  function replay(ids) {
    return perform("replay", ids, (count) => `${plural(count, "event")} will be sent again`);
  }

  /** @param {any[] | null} ids @param {string} what */
  async function drop(ids, what) {
    if (await confirm({ title: `Drop ${what}?`, text: "They are gone for good.", action: "Drop", danger: true })) {
      await perform("drop", ids, (count) => `${plural(count, "letter")} dropped`);
    }
  }

  /** @param {any} letter */
  function look(letter) {
    const opened = dialog({
      title: letter.event,
      side: true,
      body: [
        keyValues([
          ["Channel", letter.channel ? h("code", null, letter.channel) : "–"],
          ["Happened", formatDate(letter.happened_ms)],
          ["Attempts", formatNumber(letter.attempts)],
          ["Last error", letter.error || "–"],
          ["URL", h("code", null, letter.url)],
        ]),
        h("section", null, h("h3", null, "Body"), codeBlock(pretty(letter.body), { label: "Copy the body" })),
      ],
      actions: [
        button("Drop", { kind: "danger", onclick: () => done(() => drop([letter.id], "this letter")) }),
        button("Replay", { kind: "primary", icon: "refresh", onclick: () => done(() => replay([letter.id])) }),
      ],
    });

    /** @param {() => void} then */
    function done(then) {
      opened.close();
      then();
    }
  }

  const body = h(
    "div",
    { class: "stack" },
    problem,
    card(
      {
        title: h("span", { class: "row" }, "Dead letters", deadCount),
        hint: "Given up after the retry time. A letter that is replayed is as new.",
        actions: [some],
        flush: true,
      },
      rows,
    ),
    card(
      { title: h("span", { class: "row" }, "Waiting", waitingCount), hint: "On the disk, to be sent or sent again.", flush: true },
      waiting,
    ),
  );
  await load(null);
  const stop = whileSeen(() => load(null), REFRESH_MS);
  return {
    element: body,
    dispose() {
      stop();
      load.stop();
    },
  };
}

/** @returns {import("../tables.js").Column[]} */
function waitingColumns() {
  return [
    { title: "Event", render: (letter) => h("code", null, letter.event) },
    { title: "Channel", render: (letter) => h("code", null, letter.channel || "–") },
    { title: "Attempts", align: "end", render: (letter) => formatNumber(letter.attempts) },
    { title: "Last error", render: (letter) => letter.error || "–" },
    { title: "Age", align: "end", render: (letter) => formatAge(letter.happened_ms) },
  ];
}

/** @param {Set<any>} selected @param {() => void} draw @param {(letter: any) => void} look @returns {import("../tables.js").Column[]} */
function deadColumns(selected, draw, look) {
  /** @param {any} letter */
  const box = (letter) =>
    h("input", {
      type: "checkbox",
      checked: selected.has(letter.id),
      "aria-label": `Select ${letter.event} of ${letter.channel || "no channel"}`,
      onchange(/** @type {any} */ event) {
        if (event.target.checked) selected.add(letter.id);
        else selected.delete(letter.id);
        draw();
      },
    });
  return [
    { title: "Event", render: (letter) => h("span", { class: "row pick" }, box(letter), h("code", null, letter.event)) },
    ...waitingColumns().slice(1),
    {
      title: "",
      actions: true,
      render: (letter) => button("Inspect", { small: true, kind: "quiet", icon: "eye", onclick: () => look(letter) }),
    },
  ];
}
