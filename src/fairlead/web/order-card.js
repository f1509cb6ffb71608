// @ts-check
// <order-card>: one order as it goes: status, route, signature, price, and the time of each step.

import * as api from "./api.js";
import { announce } from "./announce.js";
import { shown } from "./amounts.js";
import { find, make } from "./elements.js";
import { isCancellable, isOver } from "./order-state.js";
import { QuoteTable } from "./quote-table.js";
import { dateAndTime, seconds, timeOfDay } from "./times.js";
import { eventName, eventNote, failureWords, routeName, routeReason, sentence } from "./wording.js";

/** @typedef {import("./order-state.js").OrderState} OrderState @typedef {api.OrderEvent} OrderEvent */

const PRICE_DECIMALS = 9;

export class OrderCard extends HTMLElement {
  /** @type {OrderState | null} */
  #order = null;
  #asking = false;

  connectedCallback() {
    if (this.childElementCount > 0) return;
    const template = find(document, "#order-card", HTMLTemplateElement);
    this.append(template.content.cloneNode(true));
    find(this, ".cancel", HTMLButtonElement).addEventListener("click", () => this.#cancel());
  }

  /** @param {OrderState} order @param {boolean} isNews whether it has just happened */
  show(order, isNews) {
    this.#order = order;
    this.dataset.orderId = order.orderId;
    this.dataset.status = statusOf(order);
    this.#showHead(order);
    this.#showFacts(order);
    this.#showQuotes(order);
    this.#showSteps(order);
    this.#showCancel(order);
    if (isNews) announce(`${titleOf(order)}: ${newsOf(order)}`);
  }

  /** Show or hide everything below the head. @param {boolean} isOpen */
  open(isOpen) {
    find(this, "details", HTMLDetailsElement).open = isOpen;
  }

  /** @param {OrderState} order */
  #showHead(order) {
    const { type, limitPrice, tokenIn, tokenOut, expiresAt } = order.terms;
    const limit = limitPrice ? ` at ${shown(limitPrice)} ${tokenOut} per ${tokenIn} or better` : "";
    const until = expiresAt ? `, until ${dateAndTime(expiresAt)}` : "";
    const sent = order.events.length > 0 ? `, sent ${dateAndTime(order.events[0].timestamp)}` : "";
    this.#say(".title", titleOf(order));
    this.#say(".kind", `${type === "limit" ? "Limit" : "Market"} order${limit}${until}${sent}`);
    this.#say(".status", statusOf(order));
  }

  /** @param {OrderState} order */
  #showFacts(order) {
    const { known, terms, events } = order;
    const failed = events.find(({ event }) => event === "failed");
    const least = isOver(order) || known.amountOut ? "" : known.minimumOut;
    const facts = [
      ["Executed price", known.executedPrice && exact(known.executedPrice, price(known.executedPrice, terms))],
      ["Received", known.amountOut && `${shown(known.amountOut)} ${terms.tokenOut}`],
      ["Why it failed", failed && sentence(failureWords(failed))],
      ["What was said", failed?.reason],
      ["Route", routeName(known)],
      ["Chosen because", known.reason && routeReason(known.reason)],
      ["At least", least && `${shown(least)} ${terms.tokenOut}`],
      ["Signature", known.txSignature && make("code", { title: known.txSignature }, known.txSignature)],
    ];
    const pairs = facts.flatMap(([name, value]) => {
      return value ? [make("div", {}, make("dt", {}, name ?? ""), make("dd", {}, value))] : [];
    });
    find(this, ".facts", HTMLElement).replaceChildren(...pairs);
  }

  /** @param {OrderState} order */
  #showQuotes({ known, terms }) {
    const table = find(this, "quote-table", QuoteTable);
    if (known.quotes === undefined) return table.clear();
    const { amountIn, tokenIn, tokenOut } = terms;
    const offer = { quotes: known.quotes, marked: known.quote?.pool, mark: "Chosen" };
    table.show({ ...offer, amountIn, tokenIn, tokenOut });
  }

  /** @param {OrderState} order */
  #showSteps({ events }) {
    const list = find(this, ".steps", HTMLOListElement);
    for (let at = list.childElementCount; at < events.length; at++) {
      list.append(stepOf(events[at], events[at - 1]));
    }
    list.classList.toggle("going-on", this.#order !== null && !isOver(this.#order));
  }

  /** @param {OrderState} order */
  #showCancel(order) {
    const button = find(this, ".cancel", HTMLButtonElement);
    const had = document.activeElement === button;
    button.hidden = !isCancellable(order);
    if (button.hidden && had) find(this, "summary", HTMLElement).focus();
  }

  async #cancel() {
    if (this.#asking || this.#order === null) return;
    this.#asking = true;
    this.#say(".trouble", "");
    try {
      await api.cancel(this.#order.orderId);
    } catch (error) {
      this.#say(".trouble", whyNotCancelled(error));
    }
    this.#asking = false;
  }

  /** @param {string} selector @param {string} text */
  #say(selector, text) {
    const place = find(this, selector, HTMLElement);
    if (place.textContent !== text) place.textContent = text;
  }
}

/** The order's last word is that it is final. @param {OrderState} order */
function statusOf({ status, events }) {
  return events.at(-1)?.event === "finalized" ? "finalized" : status;
}

/** @param {OrderState} order */
function titleOf({ terms }) {
  return `${shown(terms.amountIn)} ${terms.tokenIn} → ${terms.tokenOut}`;
}

/** @param {OrderState} order */
function newsOf({ events, known, terms }) {
  const event = events[events.length - 1];
  const note = event.event === "confirmed" && known.executedPrice ? price(known.executedPrice, terms) : eventNote(event);
  return note === "" ? eventName(event) : `${eventName(event)}, ${note}`;
}

/** @param {string} text @param {api.Terms} terms */
function price(text, { tokenIn, tokenOut }) {
  return `${shown(text, PRICE_DECIMALS)} ${tokenOut} per ${tokenIn}`;
}

/** A text for people that carries the whole number. @param {string} value @param {string} text */
function exact(value, text) {
  return make("data", { value, title: value }, text);
}

/** @param {OrderEvent} event @param {OrderEvent | undefined} before */
function stepOf(event, before) {
  const note = eventNote(event);
  const at = make("time", { datetime: event.timestamp }, timeOfDay(event.timestamp));
  const since = before === undefined ? "" : `+${seconds(before.timestamp, event.timestamp)} s`;
  return make(
    "li",
    { "data-status": event.status, "data-event": event.event },
    make("span", { class: "what" }, make("b", {}, eventName(event)), note === "" ? "" : ` ${note}`),
    make("span", { class: "since" }, since),
    at,
  );
}

/** @param {unknown} error */
function whyNotCancelled(error) {
  if (!(error instanceof api.Problem)) return "No answer came. Cancel again when the engine is back.";
  if (error.code === "already_confirmed") return "Too late to cancel: the order is confirmed.";
  return sentence(error.message);
}

customElements.define("order-card", OrderCard);
