// @ts-check
// The engine's HTTP interface: values, or one of two errors. `Problem` is an answer that says no;
// `NoAnswer` means that nothing is known about what became of the request.

import { access } from "./access.js";
import { connection } from "./connection.js";

const ANSWER_WITHIN_MS = 15_000;

/**
 * @typedef {{symbol: string, name: string, mint: string, decimals: number}} Token
 * @typedef {{field: string, code: string, message: string}} FieldError
 * @typedef {{dex: string, venue: string, pool: string, amountOut?: string, minimumOut?: string,
 *   netAmountOut?: string, priceImpact?: string, error?: string, legs?: {venue: string}[]}} Quote
 * @typedef {{quotes: Quote[], best: Quote | null, reason: string, slippageBps: number}} Quotes
 * @typedef {{type: string, tokenIn: string, tokenOut: string, amountIn: string,
 *   limitPrice?: string, expiresAt?: string}} Terms
 * @typedef {{number: number, round: number, txSignature: string}} Attempt
 * @typedef {{orderId: string, sequence: number, status: string, event: string, timestamp: string,
 *   quotes?: Quote[], quote?: Quote, venue?: string, minimumOut?: string, txSignature?: string,
 *   attempt?: Attempt, executedPrice?: string, amountOut?: string, retryCount?: number,
 *   reason?: string, failureCode?: string, nextTryAt?: string}} OrderEvent
 */

/** Refusals that say "not now" and mean that nothing was stored; other 5xx leave it open. */
const NOTHING_STORED = ["overloaded", "draining", "too_many_resting"];

/** The engine refused (application/problem+json), or something before it did. */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} body */
  constructor(status, body) {
    super(body.detail ?? body.title ?? `The engine answered ${status}.`);
    this.status = status;
    this.body = body;
    /** @type {string} */
    this.code = body.code ?? "";
    /** @type {FieldError[]} */
    this.errors = body.errors ?? [];
  }

  /** Whether it is certain that nothing was done. */
  get isCertain() {
    return this.status < 500 || NOTHING_STORED.includes(this.code);
  }
}

/** No answer came: the network, or an engine that is down. */
export class NoAnswer extends Error {}

/** @returns {Promise<Token[]>} */
export async function tokens() {
  return (await ask("GET", "/api/tokens")).tokens;
}

/**
 * @param {{tokenIn: string, tokenOut: string, amountIn: string}} question
 * @param {AbortSignal} signal
 * @returns {Promise<Quotes>}
 */
export function quotes(question, signal) {
  return ask("GET", `/api/quotes?${new URLSearchParams(question)}`, { signal });
}

/**
 * Send an order. The same body with the same key is the same order, however often it is sent.
 * @param {string} body
 * @param {string} key
 * @returns {Promise<{orderId: string, status: string}>}
 */
export function submit(body, key) {
  const headers = { "content-type": "application/json", "idempotency-key": key };
  return ask("POST", "/api/orders/execute", { body, headers });
}

/** @param {string} orderId @returns {Promise<Terms & {status: string, createdAt: string}>} */
export function order(orderId) {
  return ask("GET", `/api/orders/${orderId}?numbers=string`);
}

/** @param {string} orderId @returns {Promise<{status: string}>} */
export function cancel(orderId) {
  return ask("DELETE", `/api/orders/${orderId}`);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: string, headers?: Record<string, string>, signal?: AbortSignal}} [more]
 * @returns {Promise<any>}
 */
async function ask(method, path, { body, headers = {}, signal } = {}) {
  const answer = await send(path, {
    method,
    body,
    headers: { accept: "application/json", ...headers, ...access.headers },
    signal,
  });
  if (answer.status === 401) access.refused();
  if (!answer.ok) throw new Problem(answer.status, await problemOf(answer));
  return bodyOf(answer);
}

/** @param {string} path @param {RequestInit & {signal?: AbortSignal}} options */
async function send(path, options) {
  const late = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, late]) : late;
  try {
    const answer = await fetch(path, { ...options, cache: "no-store", signal });
    // 502 and 504 are a proxy's words for an engine that does not answer.
    if (answer.status < 502) connection.answered();
    else connection.check();
    return answer;
  } catch (error) {
    if (options.signal?.aborted) throw error; // not wanted any more
    connection.unanswered();
    throw new NoAnswer("The engine does not answer.", { cause: error });
  }
}

/** An answer that breaks off in its middle is none. @param {Response} answer */
async function bodyOf(answer) {
  try {
    return await answer.json();
  } catch (error) {
    throw new NoAnswer("The engine's answer broke off.", { cause: error });
  }
}

/** What is not JSON came from something between here and the engine. @param {Response} answer */
async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    return {};
  }
}
