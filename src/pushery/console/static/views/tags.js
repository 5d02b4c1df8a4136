// Who is online, by tag, and a place to try a pattern before it is pushed to. The server says what matches.

import { card, emptyState, formatMs, formatNumber, h, linkButton, notice, plural, replace, table } from "../ui.js";
import { tabLink, tabQuery } from "../lib/links.js";
import { browserPattern, escapePattern, splitMatch } from "../lib/patterns.js";
import { keepingPlace, newest, whileSeen } from "../lib/timing.js";
import { patternField } from "./pattern-field.js";

const LIMIT = 200;
const REFRESH_MS = 3_000;

/** @param {any} ctx */
export default async function view({ params, api }) {
  const { key } = params;
  const body = h("div", null);
  const more = h("p", { class: "table-note", hidden: true });
  const examples = h("div", { class: "chips examples" });
  const push = linkButton("Push to these", tabLink(key, "push"), { kind: "primary", icon: "send" });
  /** @type {RegExp | null} */
  let marks = null;
  const rows = table({
    label: "Tags",
    columns: [
      { title: "Tag", wide: true, render: ({ tag }) => marked(tag, marks) },
      { title: "Sockets", align: "end", render: ({ sockets }) => formatNumber(sockets) },
    ],
  });
  const pattern = patternField({ value: tabQuery().get("pattern") ?? "", onpattern: () => ask() });

  const load = newest(
    (text) => api.get(api.path("apps", key, "tags"), { pattern: text, limit: LIMIT }),
    (answer, text) => keepingPlace(body, () => show(answer, text)),
    (error) => replace(body, notice(error.message, "bad")),
  );
  const ask = () => load(pattern.value);

  /** @param {any} answer @param {string} text */
  function show(answer, text) {
    const { total, matched, problem, tags, took_ms } = answer;
    pattern.setProblem(problem, text);
    push.hidden = Boolean(problem) || total === 0;
    push.setAttribute("href", tabLink(key, "push", text ? { pattern: text } : undefined));
    body.classList.toggle("stale", Boolean(problem)); // the last matches stay in sight while somebody types on
    if (problem) return;
    pattern.say(
      text
        ? [h("strong", null, `${formatNumber(matched)} of ${plural(total, "tag")}`), ` in ${formatMs(took_ms)} ms`]
        : [h("strong", null, plural(total, "tag")), " online: an empty pattern is everyone"],
    );
    if (examples.childElementCount === 0 && tags.length > 0)
      replace(examples, h("span", { class: "hint" }, "Try"), suggestions(tags[0].tag).map(example));
    more.hidden = tags.length >= matched;
    more.textContent = `The first ${formatNumber(tags.length)} of ${formatNumber(matched)}.`;
    if (matched === 0) return replace(body, nothing(key, total, text));
    marks = text ? browserPattern(text) : null;
    rows.update(tags);
    if (rows.parentElement !== body) replace(body, rows);
  }

  /** @param {string} text */
  function example(text) {
    return h("button", { type: "button", class: "chip mono", onclick: () => pattern.set(text) }, text);
  }

  await ask();
  const stop = whileSeen(ask, REFRESH_MS);
  return {
    element: h(
      "div",
      { class: "stack" },
      card(
        { title: "Pattern tester", hint: "RE2, searched anywhere in the tag: A:1 also finds A:10.", actions: [push] },
        pattern.element,
        examples,
      ),
      card({ flush: true }, body, more),
    ),
    dispose() {
      stop();
      load.stop();
    },
  };
}

/** Patterns that find this tag, from wide to narrow. @param {string} tag */
function suggestions(tag) {
  const [head] = tag.split(/(?<=[:/.\-_])/);
  const all = [
    head !== tag && `^${escapePattern(head)}`,
    /\d$/.test(tag) && "\\d+$",
    `^${escapePattern(tag)}$`,
    `(?i)${escapePattern(tag.toLowerCase())}`,
  ];
  return all.filter((each) => each !== false);
}

/** @param {string} tag @param {RegExp | null} marks */
function marked(tag, marks) {
  const [before, match, behind] = splitMatch(tag, marks);
  return h("code", { class: "tag" }, before, match && h("mark", null, match), behind);
}

/** @param {string} key @param {number} total @param {string} text */
function nothing(key, total, text) {
  if (total > 0)
    return emptyState(
      "No tag matches",
      `“${text}” is valid, but nobody online has such a tag. A push to it would reach nobody.`,
      null,
      "search",
    );
  const action = linkButton("Copy a snippet", tabLink(key, "snippets"), { kind: "primary", icon: "code" });
  return emptyState(
    "No tag is online",
    "Clients of the GoPusher dialect connect under a tag of their choice. Connect one, and it appears here.",
    action,
    "tag",
  );
}
