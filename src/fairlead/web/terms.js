// @ts-check
// The terms of an order as they were typed: what is wrong with them, and how they are sent.

import { mayBecomeAmount, whyNoAmount } from "./amounts.js";

/** @typedef {import("./api.js").Token} Token @typedef {import("./api.js").Terms} Terms */
/** @typedef {Record<"type" | "tokenIn" | "tokenOut" | "amountIn" | "limitPrice" | "expiresAt", string>} Typed */

/** The fields in the order of the page. @type {(keyof Typed)[]} */
export const NAMES = ["type", "tokenIn", "tokenOut", "amountIn", "limitPrice", "expiresAt"];

const PRICE_DECIMALS = 18;

/**
 * What is wrong, by field, to follow the field's name.
 * @param {Typed} typed
 * @param {Token[]} tokens
 * @param {number} nowMs
 */
export function wrongIn(typed, tokens, nowMs) {
  /** @type {Map<keyof Typed, string>} */
  const wrong = new Map();
  const amount = whyNoAmount(typed.amountIn, decimalsOf(typed.tokenIn, tokens));
  if (amount !== null) wrong.set("amountIn", amount);
  if (typed.tokenIn === typed.tokenOut) wrong.set("tokenOut", "must differ from the token you pay with");
  if (typed.type !== "limit") return wrong;
  const price = whyNoAmount(typed.limitPrice, PRICE_DECIMALS);
  if (price !== null) wrong.set("limitPrice", price);
  if (typed.expiresAt !== "" && !(Date.parse(typed.expiresAt) > nowMs)) {
    wrong.set("expiresAt", "must lie in the future");
  }
  return wrong;
}

/**
 * What no further typing can make right; null when it may still become an amount.
 * @param {Typed} typed
 * @param {Token[]} tokens
 */
export function wrongSoFar(typed, tokens) {
  const decimals = decimalsOf(typed.tokenIn, tokens);
  return mayBecomeAmount(typed.amountIn) ? null : whyNoAmount(typed.amountIn, decimals);
}

/**
 * What quotes can be asked for; null while there is nothing to ask.
 * @param {Typed} typed
 * @param {Token[]} tokens
 */
export function questionOf({ tokenIn, tokenOut, amountIn }, tokens) {
  const decimals = decimalsOf(tokenIn, tokens);
  if (tokenIn === tokenOut || whyNoAmount(amountIn, decimals) !== null) return null;
  return { tokenIn, tokenOut, amountIn };
}

/** As the engine takes them. @param {Typed} typed @returns {Terms} */
export function termsOf({ type, tokenIn, tokenOut, amountIn, limitPrice, expiresAt }) {
  const terms = { type, tokenIn, tokenOut, amountIn };
  if (type !== "limit") return terms;
  const until = expiresAt === "" ? {} : { expiresAt: new Date(expiresAt).toISOString() };
  return { ...terms, limitPrice, ...until };
}

/** As they were typed. @param {Terms} terms @returns {Typed} */
export function typedOf({ type, tokenIn, tokenOut, amountIn, limitPrice = "", expiresAt }) {
  return { type, tokenIn, tokenOut, amountIn, limitPrice, expiresAt: expiresAt ? localTime(expiresAt) : "" };
}

/** @param {string} symbol @param {Token[]} tokens */
function decimalsOf(symbol, tokens) {
  return tokens.find((token) => token.symbol === symbol)?.decimals ?? 0;
}

/** As a datetime-local field takes it. @param {string} iso */
function localTime(iso) {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
