// @ts-check
// The ids of the orders that were sent from this browser, newest first and bounded. What became of
// them is asked of the engine: nothing else is kept here.

const KEY = "fairlead.orders";
export const MOST = 20;

/** @returns {string[]} */
export function ids() {
  return JSON.parse(localStorage.getItem(KEY) ?? "[]");
}

/** @param {string} orderId */
export function remember(orderId) {
  keep([orderId, ...ids().filter((id) => id !== orderId)]);
}

/** @param {string} orderId */
export function forget(orderId) {
  keep(ids().filter((id) => id !== orderId));
}

/** @param {string[]} all */
function keep(all) {
  localStorage.setItem(KEY, JSON.stringify(all.slice(0, MOST)));
}
