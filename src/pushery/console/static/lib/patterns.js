// What a page can say about an RE2 pattern beside the server's answer: which part of a tag it found.
// The server alone decides what matches. Browsers have no RE2, so a pattern is rewritten for RegExp where both mean the
// same; where they do not, nothing is marked. Invariant: a mark is a help to the eye, never a judgement.

/** @type {Record<string, string>} */
const SAME = {
  "\\A": "^",
  "\\z": "$",
  "[[:alnum:]]": "[0-9A-Za-z]",
  "[[:alpha:]]": "[A-Za-z]",
  "[[:digit:]]": "[0-9]",
  "[[:lower:]]": "[a-z]",
  "[[:upper:]]": "[A-Z]",
  "[[:space:]]": "[\\t\\n\\v\\f\\r ]",
  "[[:word:]]": "[0-9A-Za-z_]",
};
const TOKEN = /\\Q([\s\S]*?)(?:\\E|$)|\(\?P<|\[\[:\w+:\]\]|\\[\s\S]|[\s\S]/g;
/** RegExp does not take a backslash before these; RE2 does. */
const NEEDLESS = /^\\[!"#%&',\-:;<=>@_`~ ]$/;
const FLAGS = /^\(\?([is]+)\)/;

/**
 * A RegExp that finds what the pattern finds; null where browsers cannot say.
 * @param {string} pattern
 * @returns {RegExp | null}
 */
export function browserPattern(pattern) {
  const leading = FLAGS.exec(pattern);
  const source = leading ? pattern.slice(leading[0].length) : pattern;
  const rewritten = source.replace(TOKEN, (token, quoted) => {
    if (quoted !== undefined) return escapePattern(quoted);
    if (NEEDLESS.test(token)) return `\\x${token.charCodeAt(1).toString(16)}`;
    return token === "(?P<" ? "(?<" : (SAME[token] ?? token);
  });
  try {
    return new RegExp(rewritten, `u${leading ? leading[1] : ""}`);
  } catch {
    return null;
  }
}

/**
 * A tag in three pieces: before the match, the match, behind it. The match is empty where nothing is to be marked.
 * @param {string} tag
 * @param {RegExp | null} found
 * @returns {[string, string, string]}
 */
export function splitMatch(tag, found) {
  const match = found?.exec(tag);
  if (!match) return [tag, "", ""];
  const end = match.index + match[0].length;
  return [tag.slice(0, match.index), match[0], tag.slice(end)];
}

/**
 * The pattern cut around the character at which the trouble begins. Positions count characters, as the server does.
 * @param {string} pattern
 * @param {number} position
 * @returns {{before: string, at: string, behind: string}} `at` is "" when the trouble is the end of the pattern.
 */
export function splitTrouble(pattern, position) {
  const characters = Array.from(pattern);
  return {
    before: characters.slice(0, position).join(""),
    at: characters[position] ?? "",
    behind: characters.slice(position + 1).join(""),
  };
}

/**
 * A pattern that finds exactly this text, with every character that has a meaning escaped.
 * @param {string} text
 */
export function escapePattern(text) {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
