// Numbers, sizes and times as people read them. Pure: a value in, a text out; no elements, no state.
// Invariant: whatever is missing (null, undefined, NaN) is written as an en dash, never as "null" or "NaN".

const NOTHING = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const AGES = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** @param {unknown} value */
function missing(value) {
  return value === null || value === undefined || Number.isNaN(value);
}

/** A text, or its beginning and an ellipsis where it is longer. @param {string} text @param {number} letters */
export function shortened(text, letters) {
  return text.length > letters ? `${text.slice(0, letters)}…` : text;
}

/** 12345 -> "12,345". @param {number | null | undefined} value */
export function formatNumber(value) {
  return missing(value) ? NOTHING : whole.format(/** @type {number} */ (value));
}

/** 12345 -> "12.3K", for where there is little room. @param {number | null | undefined} value */
export function formatCompact(value) {
  if (missing(value)) return NOTHING;
  return Math.abs(Number(value)) < 10_000 ? whole.format(Number(value)) : compact.format(Number(value));
}

/** A number a second: below ten with one digit behind the point. @param {number | null | undefined} value */
export function formatRate(value) {
  if (missing(value)) return NOTHING;
  const rate = Number(value);
  return rate < 10 ? String(Number(rate.toFixed(1))) : formatCompact(rate);
}

/** Milliseconds with as many digits as matter: 0.42, 3.1, 128. @param {number | null | undefined} value */
export function formatMs(value) {
  if (missing(value)) return NOTHING;
  const ms = Number(value);
  if (ms >= 100) return whole.format(ms);
  return ms >= 10 ? ms.toFixed(1) : ms.toFixed(2);
}

/** 2048 -> "2 KiB". @param {number | null | undefined} value bytes */
export function formatBytes(value) {
  if (missing(value)) return NOTHING;
  let size = Number(value);
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size >= 100 || Number.isInteger(size) ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`;
}

/** How long ago: "3 min", "2 h". @param {number | null | undefined} sinceMs Unix time in ms @param {number} [nowMs] */
export function formatAge(sinceMs, nowMs = Date.now()) {
  if (missing(sinceMs)) return NOTHING;
  const seconds = Math.max(0, Math.floor((nowMs - Number(sinceMs)) / 1000));
  const [size, unit] = AGES.find(([size]) => seconds >= Number(size)) ?? [1, "s"];
  return `${Math.floor(seconds / Number(size))} ${unit}`;
}

/** The time of day, "14:03:27", with `.412` where `precise`. @param {number | null | undefined} atMs Unix time in ms */
export function formatTime(atMs, precise = false) {
  if (missing(atMs)) return NOTHING;
  const at = new Date(Number(atMs));
  const clock = at.toLocaleTimeString("en-GB", { hourCycle: "h23" });
  return precise ? `${clock}.${String(at.getMilliseconds()).padStart(3, "0")}` : clock;
}

/** Day and time: "29 Nov 2026, 14:03". @param {number | null | undefined} atMs Unix time in ms */
export function formatDate(atMs) {
  if (missing(atMs)) return NOTHING;
  return new Date(Number(atMs)).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/** "1 socket", "2 sockets". @param {number} count @param {string} noun */
export function plural(count, noun) {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** JSON with indents; what is not JSON stays as it is. @param {string} text */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
