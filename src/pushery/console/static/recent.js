// The apps somebody has looked at lately, remembered by this browser: keys and names, no secrets.
// Invariant: what one account has looked at, another one that signs in here is not shown.

const MOST = 6;
let key = "";

/** Say whose apps these are. @param {string} account */
export function rememberFor(account) {
  key = `pushery-recent:${account}`;
}

/** @returns {{key: string, name: string}[]} the latest first */
export function recentApps() {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? kept.slice(0, MOST) : [];
  } catch {
    return []; // nothing kept, or not by us
  }
}

/** @param {{key: string, name: string}} app */
export function rememberApp(app) {
  const kept = recentApps();
  const known = kept.some((each) => each.key === app.key);
  // One that is in the list keeps its place: links that jump under the pointer help nobody.
  keep(known ? kept.map((each) => (each.key === app.key ? app : each)) : [app, ...kept]);
}

/** @param {string} gone the key of an app that is no more */
export function forgetApp(gone) {
  keep(recentApps().filter((each) => each.key !== gone));
}

/** @param {{key: string, name: string}[]} apps */
function keep(apps) {
  try {
    localStorage.setItem(key, JSON.stringify(apps.slice(0, MOST)));
  } catch {
    return; // a browser that keeps nothing for this site
  }
  dispatchEvent(new Event("console:recent"));
}
