// @ts-check
// Whether the engine can be reached, and whether all live updates come through.
//
// Only HTTP answers decide about reach: each answer of the API counts, and /health is asked now and
// then. A socket that breaks is no proof of anything, but a reason to ask at once.

import { backOffMs, pause } from "./waiting.js";

const LOOK_EVERY_MS = 10_000;
const HEALTH_WITHIN_MS = 5_000;

/** @typedef {"live" | "catching-up" | "lost"} State */

/** Tells "change" when its state does, and "back" when the engine answers again. */
class Connection extends EventTarget {
  #reached = true;
  #asking = false;
  /** @type {Set<object>} streams that are not open at present */
  #broken = new Set();

  constructor() {
    super();
    setInterval(() => document.visibilityState === "visible" && this.check(), LOOK_EVERY_MS);
    document.addEventListener("visibilitychange", () => !document.hidden && this.check());
    addEventListener("online", () => this.check());
    addEventListener("offline", () => this.check());
  }

  /** @returns {State} */
  get state() {
    if (!this.#reached) return "lost";
    return this.#broken.size > 0 ? "catching-up" : "live";
  }

  get reached() {
    return this.#reached;
  }

  /** The engine answered something. */
  answered() {
    if (this.#reached) return;
    this.#reached = true;
    this.#tell();
    this.dispatchEvent(new Event("back"));
  }

  /** A request got no answer. */
  unanswered() {
    if (!this.#reached) return;
    this.#reached = false;
    this.#tell();
    this.check();
  }

  /** @param {object} stream @param {boolean} isOpen */
  streamIs(stream, isOpen) {
    const changed = isOpen ? this.#broken.delete(stream) : !this.#broken.has(stream);
    if (!isOpen) this.#broken.add(stream);
    if (changed) this.#tell();
  }

  /** Ask now; while there is no answer, ask again ever more slowly. */
  async check() {
    if (this.#asking) return;
    this.#asking = true;
    for (let failures = 0; !(await isHealthy()); failures++) {
      this.unanswered();
      await pause(backOffMs(failures), window, "online");
    }
    this.#asking = false;
    this.answered();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

async function isHealthy() {
  try {
    const signal = AbortSignal.timeout(HEALTH_WITHIN_MS);
    return (await fetch("/health", { cache: "no-store", signal })).ok;
  } catch {
    return false;
  }
}

export const connection = new Connection();
