// The readings of the last five minutes: what charts are drawn from. It draws nothing and asks nobody.
// Invariant: readings are in order of time, at most one for each moment, none older than the window.

const WINDOW_MS = 300_000;
const GAP_MS = 5_000;

export class Series {
  /** @type {any[]} */
  #readings = [];

  /** The newest, or null. */
  get last() {
    return this.#readings.at(-1) ?? null;
  }

  /** Add one; one that is not newer than the newest is left out. @param {{at_ms: number}} reading */
  add(reading) {
    if (this.last && reading.at_ms <= this.last.at_ms) return;
    this.#readings.push(reading);
    const oldest = reading.at_ms - WINDOW_MS;
    while (this.#readings[0].at_ms < oldest) this.#readings.shift();
  }

  /** Take a whole history, as after a reconnection; what is newer than it stays. @param {{at_ms: number}[]} history */
  fill(history) {
    const newest = history.at(-1)?.at_ms ?? 0;
    const later = this.#readings.filter((reading) => reading.at_ms > newest);
    this.#readings = [];
    for (const reading of [...history, ...later]) this.add(reading);
  }

  /**
   * Columns for a chart: times, then each of the named values; where nothing was heard for a while, the line
   * breaks.
   * @param {...string} names
   */
  columns(...names) {
    const times = [];
    /** @type {(number | null)[][]} */
    const lists = names.map(() => []);
    let before = Infinity;
    for (const reading of this.#readings) {
      if (reading.at_ms - before > GAP_MS) {
        times.push(before + 1);
        lists.forEach((list) => list.push(null));
      }
      times.push(reading.at_ms);
      lists.forEach((list, i) => list.push(reading[names[i]] ?? null));
      before = reading.at_ms;
    }
    return [times, ...lists];
  }

  /**
   * The sums by kind of a value that is a mapping, over the whole window.
   * @param {string} name
   * @returns {Map<string, number>}
   */
  sums(name) {
    const sums = new Map();
    for (const reading of this.#readings) {
      for (const [kind, count] of Object.entries(reading[name] ?? {})) sums.set(kind, (sums.get(kind) ?? 0) + count);
    }
    return sums;
  }
}
