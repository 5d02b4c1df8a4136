// Addresses of the tabs of an app. The part behind "?" tells a tab what to begin with.

/** @param {string} key of the app @param {string} tab @param {Record<string, string>} [query] */
export function tabLink(key, tab, query) {
  const search = query ? `?${new URLSearchParams(query)}` : "";
  return `#/apps/${encodeURIComponent(key)}/${tab}${search}`;
}

/** What the address of the page tells its view. @returns {URLSearchParams} */
export function tabQuery() {
  return new URLSearchParams(location.hash.split("?")[1] ?? "");
}
