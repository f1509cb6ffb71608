// @ts-check
// What statuses, events and refusals are called on the page.

import { NoAnswer, Problem } from "./api.js";
import { fromAtoms, shown } from "./amounts.js";

/** @typedef {import("./api.js").Token} Token @typedef {import("./api.js").OrderEvent} OrderEvent */

const VENUES = new Map([
  ["raydium_cpmm", "Raydium CPMM"],
  ["meteora_damm_v2", "Meteora DAMM v2"],
]);

const NOTES = new Map([
  ["rested", "waits for its price"],
  ["taken_over", "another worker goes on with it"],
  ["dropped", "a fork dropped it; the same transaction is sent again"],
  ["still_proving", "the chain does not say yet what became of it"],
  ["reopened", "the price no longer holds; it waits again"],
  ["attempt_replaced", "the last transaction can no longer land; signed anew"],
  ["fee_raised", "not seen yet; sent once more for a higher fee, and only one can succeed"],
  ["cancel_sent", "a transaction that stops the swap is on its way; the chain says which wins"],
  ["cancel_requested", "cancel asked; the chain says which wins"],
  ["expiry_reached", "its time ran out; the chain says which wins"],
  ["finalized", "it stays"],
]);

const FAILURES = new Map([
  ["stale_price", "The price moved beyond what the order accepts"],
  ["pool_not_open", "The pool is not open, or is switched off"],
  ["insufficient_liquidity", "No pool can fill the amount"],
  ["no_route", "No usable pool trades this pair within the order's limits"],
  ["insufficient_funds", "The wallet cannot pay the amount, a fee or a rent"],
  ["program_error", "The venue refused the swap for good"],
  ["compute_exceeded", "The swap needed more computing than it was given"],
  ["cluster_busy", "The chain refused the transaction for a passing reason"],
  ["transaction_too_large", "The swap does not fit into one transaction"],
  ["expired_blockhash", "The transaction did not land in its time, and no longer can"],
  ["fee_cap_spent", "Transactions that landed and failed have used up what the order may spend on fees"],
  ["latch_taken", "A stranger paid into the account that keeps the order from landing twice"],
]);

/** Why a round or the whole order came to nothing. @param {{failureCode?: string, reason?: string}} event */
export function failureWords({ failureCode = "", reason = "" }) {
  return FAILURES.get(failureCode) ?? (reason === "" ? "The order came to nothing" : reason);
}

/** @param {string} venue */
export function venueName(venue) {
  return VENUES.get(venue) ?? venue;
}

/**
 * Where an order goes, by the names of its venues; "" while that is not known.
 * @param {{venue?: string, quote?: import("./api.js").Quote}} known
 */
export function routeName({ venue, quote }) {
  const venues = venue ? [venue] : (quote?.legs ?? []).map((leg) => leg.venue);
  return [...new Set(venues)].map(venueName).join(" and ");
}

/**
 * Why a route was chosen, as the engine says it, with the names and units of the page.
 * @param {string} reason
 */
export function routeReason(reason) {
  const named = [...VENUES].reduce((text, [venue, name]) => text.replaceAll(venue, name), reason);
  return sentence(named.replace(/\b(\d+) bps\b/, (_, bps) => `${fromAtoms(bps, 2)} %`));
}

/** @param {OrderEvent} event */
export function eventName(event) {
  const name = event.event === "finalized" ? "finalized" : event.status;
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** What a step adds to its status, "" when nothing. @param {OrderEvent} event */
export function eventNote(event) {
  switch (event.event) {
    case "routed":
      return routeName(event) === "" ? "" : `${routeName(event)} chosen`;
    case "round_failed":
      return `${failureWords(event)}: another round`;
    case "failed":
      return failureWords(event);
    case "submitted":
      return event.attempt && event.attempt.number > 1 ? `attempt ${event.attempt.number}` : "";
    default:
      return NOTES.get(event.event) ?? "";
  }
}

/**
 * A refusal that concerns the whole order, in clear words.
 * @param {unknown} error
 * @param {Token[]} tokens
 */
export function refusal(error, tokens) {
  if (error instanceof NoAnswer || (error instanceof Problem && !error.isCertain)) {
    return (
      "No answer came, so the order may or may not have been accepted. “Send again” repeats this" +
      " very order and cannot execute it twice; a new order could be a second one."
    );
  }
  if (!(error instanceof Problem)) return "Something went wrong on this page. Nothing was sent.";
  switch (error.code) {
    case "insufficient_funds":
      return insufficientFunds(error.body, tokens);
    case "overloaded":
      return "The engine has too many orders waiting and did not take this one. Try again in a moment.";
    case "too_many_resting":
      return "The engine has too many orders waiting for their price and did not take this one.";
    case "draining":
      return "The engine is shutting down and did not take the order. Try again when it is back.";
    case "unauthorized":
      return "The engine asks for a token before it takes an order.";
    default:
      return sentence(error.message);
  }
}

/** @param {Record<string, any>} problem @param {Token[]} tokens */
function insufficientFunds(problem, tokens) {
  const mint = problem.asset === "lamports" ? "So11111111111111111111111111111111111111112" : problem.asset;
  const token = tokens.find((known) => known.mint === mint);
  if (token === undefined) return sentence(problem.detail);
  /** @param {string} atoms */
  const amount = (atoms) => `${shown(fromAtoms(atoms, token.decimals))} ${token.symbol}`;
  const withFees = problem.asset === "lamports" ? ", fees and rents included" : "";
  const reserved =
    problem.reservedAtoms === "0" ? "" : `, of which live orders have reserved ${amount(problem.reservedAtoms)}`;
  return (
    `Not enough ${token.symbol}. The order needs ${amount(problem.neededAtoms)}${withFees};` +
    ` the wallet holds ${amount(problem.balanceAtoms)}${reserved}.`
  );
}

/** @param {string} text */
export function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
