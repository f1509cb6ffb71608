// @ts-check
// Exact decimal strings. No amount or price ever becomes a JavaScript number.

const PLAIN = /^(\d{1,20})(?:\.(\d{1,18}))?$/;
const PRICE_DIGITS = 9;

/**
 * Why a text cannot be an amount or a price with so many decimals, to follow the field's name;
 * null when it can. The engine decides by the same rules.
 * @param {string} text
 * @param {number} decimals
 * @returns {string | null}
 */
export function whyNoAmount(text, decimals) {
  if (text === "") return "must be given";
  if (/^\d*,\d+$/.test(text)) return "must have a point before its decimals, as in 1.5";
  const match = PLAIN.exec(text);
  if (match === null) {
    return /^\d+(\.\d+)?$/.test(text)
      ? "has more than 20 digits before or 18 after the point"
      : "must be a plain decimal number, as in 1.5";
  }
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  if (fraction.length > decimals) return `can have ${decimals} decimals at most`;
  return /[1-9]/.test(text) ? null : "must be greater than zero";
}

/** Whether a text may be the beginning of an amount, as "0." is. @param {string} text */
export function mayBecomeAmount(text) {
  return /^\d{0,20}(\.0{0,18})?$/.test(text);
}

/**
 * Token units of an amount in atoms.
 * @param {string} atoms
 * @param {number} decimals
 */
export function fromAtoms(atoms, decimals) {
  return pointAt(atoms, decimals);
}

/**
 * What one unit of `a` costs in `b`: b / a, cut to nine decimals. For reading, not for terms.
 * @param {string} a
 * @param {string} b
 * @returns {string | null} null when `a` is zero
 */
export function priceOf(a, b) {
  const [above, aboveDecimals] = whole(b);
  const [below, belowDecimals] = whole(a);
  if (below === 0n) return null;
  const shift = PRICE_DIGITS + belowDecimals - aboveDecimals;
  const scaled = shift >= 0 ? above * 10n ** BigInt(shift) : above / 10n ** BigInt(-shift);
  return pointAt(String(scaled / below), PRICE_DIGITS);
}

/**
 * A decimal as people read it: thousands grouped, cut (not rounded) to so many decimals.
 * @param {string} text
 * @param {number} [decimals]
 */
export function shown(text, decimals = 18) {
  const [units, fraction = ""] = text.split(".");
  const kept = fraction.slice(0, decimals).replace(/0+$/, "");
  const grouped = units.replace(/\B(?=(\d{3})+$)/g, ",");
  return kept === "" ? grouped : `${grouped}.${kept}`;
}

/**
 * Cut to so many digits that matter: decimals are dropped, digits before the point never.
 * @param {string} text
 * @param {number} digits
 */
export function roughly(text, digits) {
  const [units, fraction = ""] = text.split(".");
  const leading = units === "0" ? fraction.length - fraction.replace(/^0+/, "").length : 0;
  const before = units === "0" ? 0 : units.length;
  return shown(text, Math.max(0, digits - before) + leading);
}

/** @param {string} text @returns {[bigint, number]} the digits as one number, and how many are decimals */
function whole(text) {
  const [units, fraction = ""] = text.split(".");
  return [BigInt(units + fraction), fraction.length];
}

/** @param {string} digits @param {number} decimals */
function pointAt(digits, decimals) {
  const padded = digits.padStart(decimals + 1, "0");
  const at = padded.length - decimals;
  const fraction = padded.slice(at).replace(/0+$/, "");
  return fraction === "" ? padded.slice(0, at) : `${padded.slice(0, at)}.${fraction}`;
}
