// @ts-check
// <order-form>: the terms of an order, its quotes while they are typed, and sending it once.
//
// Tells "accepted" with the order's id and terms.

import * as api from "./api.js";
import * as unanswered from "./unanswered.js";
import { announce } from "./announce.js";
import { find, make } from "./elements.js";
import { Fields } from "./fields.js";
import { LiveQuotes, priceNow } from "./live-quotes.js";
import { NAMES, questionOf, termsOf, typedOf, wrongIn, wrongSoFar } from "./terms.js";
import { refusal } from "./wording.js";

export class OrderForm extends HTMLElement {
  /** @type {api.Token[]} */
  #tokens = [];
  #sending = false;
  #form = find(this, "form", HTMLFormElement);
  #fields = new Fields(this.#form);
  #quotes = find(this, "live-quotes", LiveQuotes);

  connectedCallback() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("input", (event) => this.#changed(nameOf(event)));
    this.#form.addEventListener("change", (event) => this.#left(nameOf(event)));
    find(this, ".give-up", HTMLButtonElement).addEventListener("click", () => this.#giveUp());
    this.#quotes.addEventListener("refused", (event) => this.#showFieldErrors(detailOf(event)));
    this.#quotes.addEventListener("quoted", (event) => this.#showPriceNow(detailOf(event)));
  }

  /** Offer these tokens, and take up what was sent and not answered. @param {api.Token[]} tokens */
  start(tokens) {
    this.#tokens = tokens;
    this.#offer("tokenIn", "SOL");
    this.#offer("tokenOut", "USDC");
    const sent = unanswered.kept();
    if (sent !== null) this.#isUnanswered(sent, new api.NoAnswer());
    this.#refresh();
  }

  /** @param {string} name @param {string} preferred */
  #offer(name, preferred) {
    const select = find(this, `[name=${name}]`, HTMLSelectElement);
    const chosen = select.value || preferred;
    const options = this.#tokens.map((token) => {
      return make("option", { value: token.symbol, title: token.name }, token.symbol);
    });
    select.replaceChildren(...options);
    select.value = chosen;
  }

  get #typed() {
    return this.#fields.values(NAMES);
  }

  /** @param {string} name */
  #changed(name) {
    this.#fields.accept(name);
    if (name === "tokenIn" || name === "tokenOut") this.#fields.accept("tokenIn", "tokenOut", "amountIn");
    const wrong = wrongSoFar(this.#typed, this.#tokens);
    if (wrong !== null) this.#fields.reject("amountIn", wrong);
    this.#say(".message", "");
    this.#refresh();
  }

  /** What is wrong with a field is said when it is left, unless it is still empty. @param {string} name */
  #left(name) {
    const wrong = wrongIn(this.#typed, this.#tokens, Date.now());
    for (const [field, why] of wrong) {
      if (field === name && this.#typed[field] !== "") this.#fields.reject(field, why);
    }
  }

  /** Bring all that follows from the terms up to them. */
  #refresh() {
    const typed = this.#typed;
    find(this, ".limit", HTMLElement).hidden = typed.type !== "limit";
    this.#say(".pays", typed.tokenIn);
    this.#say(".costs", `${typed.tokenOut} per ${typed.tokenIn}`);
    const question = questionOf(typed, this.#tokens);
    if (question === null) this.#say(".now", "");
    this.#quotes.ask(question);
  }

  async #submit() {
    if (this.#sending) return;
    const sent = unanswered.kept() ?? this.#newOrder();
    if (sent === null) return this.#fields.focusFirstWrong();
    this.#isSending(true);
    this.#say(".message", "");
    try {
      const { orderId } = await api.submit(sent.body, sent.key);
      unanswered.answered();
      this.#accepted(orderId, JSON.parse(sent.body));
    } catch (error) {
      this.#failed(error, sent);
    } finally {
      this.#isSending(false);
    }
  }

  /** The order as it is about to be sent, null when fields are wrong. */
  #newOrder() {
    const typed = this.#typed;
    const wrong = wrongIn(typed, this.#tokens, Date.now());
    this.#fields.accept(...NAMES);
    for (const [name, why] of wrong) this.#fields.reject(name, why);
    return wrong.size > 0 ? null : unanswered.keep(termsOf(typed));
  }

  /**
   * The amount goes, so that a second click or a key held down sends nothing.
   * @param {string} orderId
   * @param {api.Terms} terms
   */
  #accepted(orderId, terms) {
    this.#lock(false);
    this.#fields.fill({ amountIn: "" });
    this.#fields.accept(...NAMES);
    this.#refresh();
    announce("Order accepted.");
    this.dispatchEvent(new CustomEvent("accepted", { detail: { orderId, terms } }));
  }

  /** @param {unknown} error @param {unanswered.Sent} sent */
  #failed(error, sent) {
    if (!(error instanceof api.Problem && error.isCertain)) return this.#isUnanswered(sent, error);
    unanswered.answered();
    this.#lock(false);
    if (!this.#showFieldErrors(error)) this.#say(".message", refusal(error, this.#tokens));
    this.#fields.focusFirstWrong();
  }

  /** Whether every error of a problem found its field. @param {api.Problem} problem */
  #showFieldErrors(problem) {
    const placed = problem.errors.filter(({ field }) => this.#fields.isShown(field));
    for (const { field, message } of placed) this.#fields.reject(field, message);
    return placed.length > 0 && placed.length === problem.errors.length;
  }

  /**
   * Show the terms that were sent, and let nothing else be sent before them.
   * @param {unanswered.Sent} sent
   * @param {unknown} error
   */
  #isUnanswered(sent, error) {
    this.#fields.fill(typedOf(JSON.parse(sent.body)));
    this.#lock(true);
    this.#refresh();
    this.#say(".message", refusal(error, this.#tokens));
  }

  #giveUp() {
    unanswered.answered();
    this.#lock(false);
    this.#say(".message", "");
    this.#fields.focus("amountIn");
  }

  /** @param {boolean} isLocked */
  #lock(isLocked) {
    find(this, ".terms", HTMLFieldSetElement).disabled = isLocked;
    find(this, ".give-up", HTMLButtonElement).hidden = !isLocked;
    this.#say("[type=submit]", isLocked ? "Send again" : "Execute order");
  }

  /** The button stays focusable, so that the keyboard does not lose its place. @param {boolean} isSending */
  #isSending(isSending) {
    this.#sending = isSending;
    find(this, "[type=submit]", HTMLButtonElement).setAttribute("aria-disabled", String(isSending));
  }

  /** @param {api.Quotes} answer */
  #showPriceNow(answer) {
    const typed = this.#typed;
    const price = priceNow(typed, answer);
    const text = `Now about ${price} ${typed.tokenOut} per ${typed.tokenIn}, net of fees.`;
    this.#say(".now", price === null ? "" : text);
  }

  /** @param {string} selector @param {string} text */
  #say(selector, text) {
    const place = find(this, selector, HTMLElement);
    if (place.textContent !== text) place.textContent = text;
  }
}

/** @param {Event} event */
function nameOf({ target }) {
  return target !== null && "name" in target ? String(target.name) : "";
}

/** @param {Event} event */
function detailOf(event) {
  return event instanceof CustomEvent ? event.detail : undefined;
}

customElements.define("order-form", OrderForm);
