// @ts-check
// The order that was sent and not answered yet. It is kept before it is sent, with its key, so that
// whatever happens to the network or to this page it can be sent again and stay one order.

const KEY = "fairlead.unanswered";

/** @typedef {{key: string, body: string}} Sent */

/** @returns {Sent | null} */
export function kept() {
  const text = sessionStorage.getItem(KEY);
  return text === null ? null : JSON.parse(text);
}

/** @param {object} terms @returns {Sent} */
export function keep(terms) {
  const sent = { key: newKey(), body: JSON.stringify(terms) };
  sessionStorage.setItem(KEY, JSON.stringify(sent));
  return sent;
}

export function answered() {
  sessionStorage.removeItem(KEY);
}

/** randomUUID exists only where the page came over TLS or from this machine. */
function newKey() {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
