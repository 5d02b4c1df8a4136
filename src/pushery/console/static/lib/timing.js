// When things are fetched: again and again while somebody looks, and never shown out of order. Knows no element's meaning.
// Invariant: what a newer question has overtaken is never shown.

/**
 * Do a task every `pause_ms` while the page is in sight, and at once when it comes back.
 * @param {() => unknown} task
 * @param {number} pause_ms
 * @returns {() => void} Call it to stop.
 */
export function whileSeen(task, pause_ms) {
  const tick = () => {
    if (!document.hidden) task();
  };
  const timer = setInterval(tick, pause_ms);
  document.addEventListener("visibilitychange", tick);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", tick);
  };
}

/**
 * A loader whose newest answer alone is shown: one that a newer question has overtaken is dropped, and so are all after
 * `stop()`.
 * @template Q, A
 * @param {(question: Q) => Promise<A>} load @param {(answer: A, question: Q) => void} show
 * @param {(error: any, question: Q) => void} fail
 */
export function newest(load, show, fail) {
  let asked = 0;
  let stopped = false;
  const ask = async (/** @type {Q} */ question) => {
    asked += 1;
    const number = asked;
    const current = () => number === asked && !stopped;
    try {
      const answer = await load(question);
      if (current()) show(answer, question);
    } catch (error) {
      if (current()) fail(error, question);
    }
  };
  ask.stop = () => {
    stopped = true;
  };
  return ask;
}

/**
 * Change what an element shows without taking the keyboard away from whoever is in it, nor a text that is being marked.
 * @param {Element} element @param {() => void} change
 */
export function keepingPlace(element, change) {
  const marked = getSelection();
  if (marked && !marked.isCollapsed && element.contains(marked.anchorNode)) return;
  const stops = () => [...element.querySelectorAll("a, button, input")];
  const at = stops().findIndex((stop) => stop === document.activeElement);
  change();
  const again = /** @type {HTMLElement | undefined} */ (stops()[at]);
  again?.focus({ preventScroll: true });
}
