// @ts-check
// <connection-state>: whether what the page shows is up to date.

import { connection } from "./connection.js";

/** @type {Record<import("./connection.js").State, string>} */
const WORDS = {
  live: "Connected",
  "catching-up": "Reconnecting…",
  lost: "Connection lost. Trying again…",
};

export class ConnectionState extends HTMLElement {
  connectedCallback() {
    connection.addEventListener("change", () => this.#show());
    this.#show();
  }

  #show() {
    this.dataset.state = connection.state;
    this.textContent = WORDS[connection.state];
  }
}

customElements.define("connection-state", ConnectionState);
