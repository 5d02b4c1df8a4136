// The console's JSON API: one function per method, errors as values of one class. It knows no view and no element.
// Invariant: an answer 401 ends at the sign-in page, whoever asked.

const BASE = "/console/api/";
export const SIGN_IN = "/console/sign-in";

/**
 * What the server refused, in words fit for people. `details` is the whole `error` object (`problems`, `position`,
 * ...).
 */
export class ApiError extends Error {
  /** @param {number} status @param {{code?: string, message?: string, [name: string]: any}} details */
  constructor(status, details) {
    super(details.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = details.code ?? "unknown";
    this.details = details;
  }
}

let csrf = "";

/** Say which token goes with every change. @param {string} token */
export function setCsrf(token) {
  csrf = token;
}

/**
 * @param {string} method @param {string} path below /console/api/ @param {any} [body]
 * @param {{signal?: AbortSignal}} [options] @returns {Promise<any>}
 */
async function request(method, path, body, { signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "Content-Type": "application/json", "X-CSRF-Token": csrf });
  const text = method === "GET" ? undefined : JSON.stringify(body ?? {});
  let answer;
  try {
    answer = await fetch(BASE + path, { method, headers, body: text, signal, credentials: "same-origin" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { code: "unreachable", message: "The server cannot be reached." });
  }
  const value = await answer.json().catch(() => ({}));
  if (answer.ok) return value;
  if (answer.status === 401) location.assign(SIGN_IN);
  throw new ApiError(answer.status, value.error ?? {});
}

/**
 * `get("apps", {limit: 20, search: "x"})`: what is undefined or empty is left out.
 * @param {string} path
 * @param {Record<string, any>} [query]
 * @param {{signal?: AbortSignal}} [options]
 */
export function get(path, query = {}, options) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return request("GET", search ? `${path}?${search}` : path, undefined, options);
}

/** @param {string} path @param {any} [body] */
export const post = (path, body) => request("POST", path, body);

/** @param {string} path @param {any} body */
export const patch = (path, body) => request("PATCH", path, body);

/** @param {string} path */
export const del = (path) => request("DELETE", path);

/** A path with its parts encoded: `path("apps", key, "channels", name)`. @param {...string} parts */
export function path(...parts) {
  return parts.map(encodeURIComponent).join("/");
}

/** Sign out and leave the page. */
export async function signOut() {
  await fetch("/console/sign-out", { method: "POST", headers: { "X-CSRF-Token": csrf }, redirect: "manual" });
  location.assign(SIGN_IN);
}
