// @ts-check
// Times as people read them, in the reader's zone.

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Hours to milliseconds. @param {string} iso */
export function timeOfDay(iso) {
  const at = new Date(iso);
  const parts = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0"));
  return `${parts.join(":")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** @param {string} iso */
export function dateAndTime(iso) {
  return DAY.format(new Date(iso));
}

/** Seconds from one time to another. @param {string} from @param {string} to */
export function seconds(from, to) {
  return ((Date.parse(to) - Date.parse(from)) / 1000).toFixed(3);
}
