// @ts-check
// The live events of one order, without gap or duplicate, over broken connections and restarts.
//
// One socket for each order that still has something to say: this page's orders are few, and the
// stream of all orders would bring those of everybody else. Before each connection the order is
// read over HTTP, since a browser tells scripts nothing of a refused handshake.

import * as api from "./api.js";
import { access } from "./access.js";
import { connection } from "./connection.js";
import { after, isOver, newOrder } from "./order-state.js";
import { backOffMs, pause } from "./waiting.js";

/** @typedef {import("./order-state.js").OrderState} OrderState */

/** Tells "changed" after each step, "unknown" when the engine does not know the order. */
export class OrderStream extends EventTarget {
  #stopped = new AbortController();

  /** @param {string} orderId @param {api.Terms} [terms] when they are known already */
  constructor(orderId, terms) {
    super();
    this.orderId = orderId;
    /** @type {OrderState | null} */
    this.order = terms === undefined ? null : newOrder(orderId, terms);
  }

  /** Follow the order until it is over or `stop` is called. */
  async start() {
    for (let failures = 0; !this.#isDone; failures++) {
      try {
        await this.#connect(() => (failures = 0));
      } catch (error) {
        if (error instanceof api.Problem && isForGood(error)) return this.#refused(error);
      }
      if (this.#isDone) break;
      connection.streamIs(this, false);
      connection.check();
      await pause(backOffMs(failures), connection, "back", this.#stopped.signal);
    }
    connection.streamIs(this, true);
  }

  stop() {
    this.#stopped.abort();
  }

  get #isDone() {
    return this.#stopped.signal.aborted || (this.order !== null && isOver(this.order));
  }

  /** @param {() => void} onProgress */
  async #connect(onProgress) {
    const read = await api.order(this.orderId);
    this.order ??= newOrder(this.orderId, read);
    access.lendToSocket();
    const socket = new WebSocket(addressOf(this.orderId, this.order.sequence));
    const dropWhenLost = () => connection.reached || socket.close();
    const stop = () => socket.close();
    socket.addEventListener("message", ({ data }) => {
      onProgress();
      connection.streamIs(this, true);
      if (!this.#take(JSON.parse(data))) socket.close();
    });
    connection.addEventListener("change", dropWhenLost);
    this.#stopped.signal.addEventListener("abort", stop);
    await new Promise((resolve) => socket.addEventListener("close", resolve));
    connection.removeEventListener("change", dropWhenLost);
    this.#stopped.signal.removeEventListener("abort", stop);
  }

  /**
   * Whether nothing is missing up to and with this frame.
   * @param {{type: string, logs?: api.OrderEvent[]} & api.OrderEvent} frame
   */
  #take(frame) {
    // What a first backfill tells happened before this page looked.
    const isNews = frame.type !== "backfill" || (this.order?.sequence ?? 0) > 0;
    const events = eventsOf(frame);
    for (const event of events) {
      const next = this.order === null ? null : after(this.order, event);
      if (next === null) return false;
      this.order = next;
    }
    if (events.length > 0) this.dispatchEvent(new CustomEvent("changed", { detail: { isNews } }));
    return true;
  }

  /** Nobody can follow it as things are; a new token starts all streams anew. @param {api.Problem} problem */
  #refused(problem) {
    connection.streamIs(this, true);
    if (problem.status !== 401) this.dispatchEvent(new Event("unknown"));
  }
}

/** Unknown, or not ours to see. @param {api.Problem} problem */
function isForGood({ status }) {
  return status === 404 || status === 401;
}

/** @param {{type: string, logs?: api.OrderEvent[]} & api.OrderEvent} frame @returns {api.OrderEvent[]} */
function eventsOf(frame) {
  if (frame.type === "backfill") return frame.logs ?? [];
  return frame.type === "status_update" ? [frame] : [];
}

/** @param {string} orderId @param {number} sequence */
function addressOf(orderId, sequence) {
  const origin = location.origin.replace(/^http/, "ws");
  return `${origin}/ws/orders/${orderId}?after=${sequence}&numbers=string`;
}
