// @ts-check
// <order-list>: the orders sent from this browser, newest first, each followed live.

import * as sent from "./sent-orders.js";
import { find } from "./elements.js";
import { isOver } from "./order-state.js";
import { OrderCard } from "./order-card.js";
import { OrderStream } from "./order-stream.js";

export class OrderList extends HTMLElement {
  /** @type {Map<string, {card: OrderCard, stream: OrderStream}>} newest last */
  #followed = new Map();

  /** Show again what was sent before, and follow it. */
  restore() {
    for (const { stream } of this.#followed.values()) stream.stop();
    this.#followed.clear();
    find(this, ".cards", HTMLElement).replaceChildren();
    for (const orderId of sent.ids().reverse()) this.#follow(new OrderStream(orderId), false);
    this.#tidy();
  }

  /** Follow an order that was just accepted. @param {string} orderId @param {import("./api.js").Terms} terms */
  add(orderId, terms) {
    sent.remember(orderId);
    if (!this.#followed.has(orderId)) this.#follow(new OrderStream(orderId, terms), true);
    this.#tidy();
  }

  /** @param {OrderStream} stream @param {boolean} isNew */
  #follow(stream, isNew) {
    const card = new OrderCard();
    this.#followed.set(stream.orderId, { card, stream });
    card.hidden = !isNew;
    find(this, ".cards", HTMLElement).prepend(card);
    if (stream.order !== null) card.show(stream.order, false);
    if (isNew) card.open(true);
    stream.addEventListener("changed", (event) => {
      if (stream.order === null) return;
      // What was over before this page came is shown closed.
      if (card.hidden) card.open(!isOver(stream.order));
      card.hidden = false;
      card.show(stream.order, event instanceof CustomEvent && event.detail.isNews);
      this.#tidy();
    });
    stream.addEventListener("unknown", () => this.#drop(stream.orderId, true));
    stream.start();
  }

  /** @param {string} orderId @param {boolean} forGood */
  #drop(orderId, forGood) {
    const followed = this.#followed.get(orderId);
    followed?.stream.stop();
    followed?.card.remove();
    this.#followed.delete(orderId);
    if (forGood) sent.forget(orderId);
    this.#tidy();
  }

  #tidy() {
    const tooMany = [...this.#followed.keys()].slice(0, Math.max(0, this.#followed.size - sent.MOST));
    for (const orderId of tooMany) this.#drop(orderId, false);
    find(this, ".none", HTMLElement).hidden = this.#followed.size > 0;
  }
}

customElements.define("order-list", OrderList);
