// The live feed: a small client of the Pusher Channels protocol, over one WebSocket that the cookie authenticates.
// It knows channels and events and no view. Invariant: what is subscribed stays so across reconnections, until its
// last listener leaves.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const PONG_MS = 10_000;

/**
 * @typedef {Record<string, (data: any) => void>} Handlers by event; "live" is called when the subscription holds,
 * "error" when it is refused.
 */

export class Feed {
  /** "connecting" | "live" | "reconnecting" | "stopped" */
  state = "connecting";
  /** @type {Map<string, Set<Handlers>>} */
  #channels = new Map();
  /** @type {Set<(state: string) => void>} */
  #watchers = new Set();
  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0;
  #idleMs = 120_000;
  #idleTimer = 0;
  #retryTimer = 0;

  /**
   * @param {string} url ws:// or wss://
   * @param {() => void} onrefused asked when a connection was not let in: is the session over?
   */
  constructor(url, onrefused) {
    this.url = url;
    this.onrefused = onrefused;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    this.#connect();
  }

  /** Listen to a channel; returns how to stop that. @param {string} channel @param {Handlers} handlers */
  subscribe(channel, handlers) {
    const listening = this.#channels.get(channel) ?? new Set();
    if (listening.size === 0) {
      this.#channels.set(channel, listening);
      if (this.state === "live") this.#send("pusher:subscribe", { channel });
    }
    listening.add(handlers);
    return () => {
      if (!listening.delete(handlers) || listening.size > 0) return;
      this.#channels.delete(channel);
      if (this.state === "live") this.#send("pusher:unsubscribe", { channel });
    };
  }

  /**
   * Be told of every change of state, and of the present one at once; returns how to stop that.
   * @param {(state: string) => void} watcher
   */
  onstate(watcher) {
    this.#watchers.add(watcher);
    watcher(this.state);
    return () => this.#watchers.delete(watcher);
  }

  /** End for good. */
  close() {
    this.#become("stopped");
    clearTimeout(this.#retryTimer);
    this.#socket?.close();
  }

  #connect() {
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.#rest();
      this.#receive(JSON.parse(data));
    };
    socket.onclose = ({ code }) => socket === this.#socket && this.#lost(code);
  }

  /** @param {{event: string, channel?: string, data?: any}} message */
  #receive({ event, channel, data }) {
    if (event === "pusher:ping") return this.#send("pusher:pong", {});
    const value = typeof data === "string" ? JSON.parse(data) : data;
    if (event === "pusher:connection_established") return this.#established(value);
    const told =
      event === "pusher_internal:subscription_succeeded" ? "live" : event.replace("pusher:subscription_error", "error");
    for (const handlers of [...(this.#channels.get(channel ?? "") ?? [])]) handlers[told]?.(value);
  }

  /** @param {{activity_timeout?: number}} about */
  #established(about) {
    this.#failures = 0;
    this.#idleMs = (about.activity_timeout ?? 120) * 1000;
    this.#become("live");
    for (const channel of this.#channels.keys()) this.#send("pusher:subscribe", { channel });
  }

  /** Nothing heard for a while: ask; nothing heard then: the connection is dead, whatever the browser thinks. */
  #rest() {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = window.setTimeout(() => {
      this.#send("pusher:ping", {});
      this.#idleTimer = window.setTimeout(() => this.#abandon(), PONG_MS);
    }, this.#idleMs);
  }

  #abandon() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#lost(1006);
  }

  /** @param {number} code */
  #lost(code) {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#retryTimer);
    if (this.state === "stopped") return;
    const neverWasIn = this.state !== "live";
    this.#become("reconnecting");
    const unwanted = code >= 4000 && code < 4100; // the protocol's codes for "do not come back like this"
    if (neverWasIn || unwanted) this.onrefused();
    const wait = unwanted ? LONGEST_WAIT_MS : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryTimer = window.setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  /** The network is back, or somebody looks: do not sit out a long wait. */
  #hurry() {
    if (this.state !== "reconnecting" || this.#socket?.readyState === WebSocket.CONNECTING) return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  /** @param {string} event @param {any} data */
  #send(event, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ event, data }));
  }

  /** @param {string} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }
}
