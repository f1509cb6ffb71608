// @ts-check
// How long to wait before trying again.

const FIRST_MS = 250;
const LONGEST_MS = 8_000;

/**
 * Twice as long after each failure, up to a bound, and never all pages at the same moment.
 * @param {number} failures
 */
export function backOffMs(failures) {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return most * (0.5 + Math.random() / 2);
}

/**
 * Resolves after a time, or as soon as one of the events comes.
 * @param {number} ms
 * @param {EventTarget} target
 * @param {string} event
 * @param {AbortSignal} [stopped]
 * @returns {Promise<void>}
 */
export function pause(ms, target, event, stopped) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = () => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);
    target.addEventListener(event, end, { signal: over.signal });
    stopped?.addEventListener("abort", end, { signal: over.signal });
  });
}
