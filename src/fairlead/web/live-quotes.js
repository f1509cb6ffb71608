// @ts-check
// <live-quotes>: asks for quotes while the terms are being typed, and again while they stand.
//
// An answer counts only if nothing else was asked meanwhile. Tells "refused" with the problem when
// the engine refuses the terms, and "quoted" with the answer.

import * as api from "./api.js";
import { find } from "./elements.js";
import { announce } from "./announce.js";
import { connection } from "./connection.js";
import { QuoteTable } from "./quote-table.js";
import { priceOf, roughly, shown } from "./amounts.js";
import { routeName, routeReason, sentence } from "./wording.js";

const TYPED_MS = 250;
const AGAIN_MS = 5_000;
const PRICE_DIGITS = 8;
const NOTHING_ASKED = "What each venue offers is shown here as you type.";

/** @typedef {{tokenIn: string, tokenOut: string, amountIn: string}} Question */

export class LiveQuotes extends HTMLElement {
  /** @type {Question | null} */
  #question = null;
  #asked = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;

  connectedCallback() {
    connection.addEventListener("back", () => this.#schedule(0));
  }

  /** What to ask from now on; null: nothing. @param {Question | null} question */
  ask(question) {
    if (JSON.stringify(question) === JSON.stringify(this.#question)) return;
    this.#question = question;
    this.#asked.abort();
    clearTimeout(this.#timer);
    if (question === null) this.#clear(NOTHING_ASKED);
    else {
      this.setAttribute("aria-busy", "true");
      this.#schedule(TYPED_MS, true);
    }
  }

  /** @param {number} ms @param {boolean} [isNew] */
  #schedule(ms, isNew = false) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#askNow(isNew), ms);
  }

  /** @param {boolean} isNew */
  async #askNow(isNew) {
    const question = this.#question;
    if (question === null) return;
    if (document.hidden) return this.#schedule(AGAIN_MS, isNew);
    this.#asked.abort();
    const asked = (this.#asked = new AbortController());
    try {
      const answer = await api.quotes(question, asked.signal);
      if (asked.signal.aborted) return;
      this.#show(question, answer, isNew);
      this.#schedule(AGAIN_MS);
    } catch (error) {
      if (!asked.signal.aborted) this.#refused(error);
    }
  }

  /** @param {Question} question @param {api.Quotes} answer @param {boolean} isNew */
  #show(question, answer, isNew) {
    this.removeAttribute("aria-busy");
    const { quotes, best, reason } = answer;
    const table = find(this, "quote-table", QuoteTable);
    if (quotes.length > 0) table.show({ ...question, quotes, marked: best?.pool, mark: "Best" });
    else table.clear();
    this.#say(best === null ? routeReason(reason) : this.#least(question, answer));
    if (isNew && best !== null && best.amountOut !== undefined) {
      const offer = `${shown(best.amountOut)} ${question.tokenOut}`;
      announce(`Best quote: ${offer} from ${routeName({ venue: best.venue, quote: best })}`);
    }
    this.dispatchEvent(new CustomEvent("quoted", { detail: answer }));
  }

  /** @param {Question} question @param {api.Quotes} answer */
  #least({ tokenOut }, { best, slippageBps }) {
    if (best?.minimumOut === undefined) return "";
    const percent = `${slippageBps / 100} %`;
    return `At least ${shown(best.minimumOut)} ${tokenOut}, with ${percent} slippage.`;
  }

  /** @param {unknown} error */
  #refused(error) {
    if (!(error instanceof api.Problem)) return this.#clear("No quotes while the engine does not answer.");
    this.#clear(error.errors.length > 0 ? NOTHING_ASKED : sentence(error.message));
    this.dispatchEvent(new CustomEvent("refused", { detail: error }));
    if (error.status >= 500) this.#schedule(AGAIN_MS);
  }

  /** @param {string} text */
  #clear(text) {
    this.removeAttribute("aria-busy");
    find(this, "quote-table", QuoteTable).clear();
    this.#say(text);
  }

  /** @param {string} text */
  #say(text) {
    find(this, ".said", HTMLParagraphElement).replaceChildren(...(text === "" ? [] : [text]));
  }
}

/** What one unit pays now, net of fees, for the reader. @param {Question} question @param {api.Quotes} answer */
export function priceNow(question, answer) {
  const net = answer.best?.netAmountOut;
  const price = net === undefined ? null : priceOf(question.amountIn, net);
  return price === null ? null : roughly(price, PRICE_DIGITS);
}

customElements.define("live-quotes", LiveQuotes);
