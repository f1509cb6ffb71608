// @ts-check
// Puts the page's parts together.

import * as api from "./api.js";
import { access } from "./access.js";
import { connection } from "./connection.js";
import { find } from "./elements.js";
import { OrderForm } from "./order-form.js";
import { OrderList } from "./order-list.js";
import { SignIn } from "./sign-in.js";
import { pause } from "./waiting.js";
import { sentence } from "./wording.js";
import "./connection-state.js";

const AGAIN_MS = 5_000;

const form = find(document, "order-form", OrderForm);
const orders = find(document, "order-list", OrderList);
const signIn = find(document, "sign-in", SignIn);
const desk = find(document, ".desk", HTMLElement);
const trouble = find(document, ".page-trouble", HTMLElement);
const signOut = find(document, ".sign-out", HTMLButtonElement);

/** Show the form and the orders as soon as the engine answers and knows us. */
async function start() {
  try {
    const tokens = await api.tokens();
    trouble.textContent = "";
    signOut.hidden = access.token === null;
    desk.hidden = false;
    form.start(tokens);
    orders.restore();
  } catch (error) {
    if (error instanceof api.Problem && error.status === 401) return;
    trouble.textContent = sentence(error instanceof Error ? error.message : String(error));
    pause(AGAIN_MS, connection, "back").then(start);
  }
}

function askForToken() {
  desk.hidden = true;
  signOut.hidden = true;
  signIn.ask();
}

form.addEventListener("accepted", (event) => {
  if (event instanceof CustomEvent) orders.add(event.detail.orderId, event.detail.terms);
});
access.addEventListener("needed", askForToken);
signIn.addEventListener("signed-in", start);
signOut.addEventListener("click", () => {
  access.forget();
  askForToken();
});
start();
