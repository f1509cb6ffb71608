// @ts-check
// What is known of an order: its terms, and its events folded over them. Nothing here is shown.

/** @typedef {import("./api.js").OrderEvent} OrderEvent @typedef {import("./api.js").Terms} Terms */
/** @typedef {Partial<OrderEvent>} Known */
/** @typedef {{orderId: string, terms: Terms, status: string, sequence: number,
 *   events: OrderEvent[], known: Known}} OrderState */

/** What stays known until a later event says otherwise. @type {(keyof OrderEvent)[]} */
const LASTING = ["quotes", "quote", "venue", "minimumOut", "txSignature", "executedPrice", "amountOut"];
/** What a fork takes back. @type {(keyof OrderEvent)[]} */
const FILL = ["executedPrice", "amountOut"];
/** What an order that rests again has no more. @type {(keyof OrderEvent)[]} */
const ROUTE = ["quote", "quotes", "venue", "reason", "txSignature"];
const LAST = ["finalized", "failed", "cancelled", "expired"];
const CANCELLABLE = ["pending", "open", "routing", "building", "submitted"];

/** @param {string} orderId @param {Terms} terms @returns {OrderState} */
export function newOrder(orderId, terms) {
  return { orderId, terms, status: "pending", sequence: 0, events: [], known: {} };
}

/**
 * The order after its next event. An event told before changes nothing; `null` for one that comes
 * before its time: then something was missed.
 * @param {OrderState} order
 * @param {OrderEvent} event
 * @returns {OrderState | null}
 */
export function after(order, event) {
  if (event.sequence <= order.sequence) return order;
  if (event.sequence > order.sequence + 1) return null;
  const known = { ...order.known };
  const gone = event.event === "dropped" ? FILL : event.event === "reopened" ? ROUTE : [];
  for (const name of gone) delete known[name];
  // A route of several swaps may name no single venue.
  if (event.quote !== undefined) delete known.venue;
  for (const name of LASTING) if (event[name] !== undefined) Object.assign(known, { [name]: event[name] });
  if (event.event === "routed") known.reason = event.reason;
  return {
    ...order,
    status: event.status,
    sequence: event.sequence,
    events: [...order.events, event],
    known,
  };
}

/** Whether the order has nothing more to say. @param {OrderState} order */
export function isOver({ events }) {
  return LAST.includes(events.at(-1)?.event ?? "");
}

/** @param {OrderState} order */
export function isCancellable({ status }) {
  return CANCELLABLE.includes(status);
}
