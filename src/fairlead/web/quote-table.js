// @ts-check
// <quote-table>: what each venue offers, one of them marked.

import { priceOf, roughly } from "./amounts.js";
import { make } from "./elements.js";
import { venueName } from "./wording.js";

/** @typedef {import("./api.js").Quote} Quote */

const AMOUNT_DIGITS = 10;
const PRICE_DIGITS = 8;

export class QuoteTable extends HTMLElement {
  /**
   * @param {{quotes: Quote[], marked: string | undefined, mark: string,
   *   amountIn: string, tokenIn: string, tokenOut: string}} offer `marked` is the pool that gets
   *   the `mark`
   */
  show({ quotes, marked, mark, amountIn, tokenIn, tokenOut }) {
    const heads = ["Venue", `You get (${tokenOut})`, `${tokenOut} per ${tokenIn}`, "Impact"];
    const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
    const rows = quotes.map((quote) => rowOf(quote, amountIn, quote.pool === marked ? mark : ""));
    const table = make("table", { class: "quotes" }, make("thead", {}, head), make("tbody", {}, ...rows));
    this.replaceChildren(table);
  }

  clear() {
    this.replaceChildren();
  }
}

/** @param {Quote} quote @param {string} amountIn @param {string} mark */
function rowOf(quote, amountIn, mark) {
  const venue = make("th", { scope: "row" }, venueName(quote.venue));
  if (mark !== "") venue.append(" ", make("span", { class: "mark" }, mark));
  const row = make("tr", { "data-venue": quote.venue, ...(mark === "" ? {} : { class: "marked" }) }, venue);
  if (quote.amountOut === undefined) {
    row.append(make("td", { colspan: "3", class: "none" }, quote.error ?? "no quote"));
    return row;
  }
  const price = priceOf(amountIn, quote.amountOut);
  row.append(
    make("td", { title: quote.amountOut }, roughly(quote.amountOut, AMOUNT_DIGITS)),
    make("td", {}, price === null ? "–" : roughly(price, PRICE_DIGITS)),
    make("td", {}, quote.priceImpact === undefined ? "–" : `${quote.priceImpact}\u00a0%`),
  );
  return row;
}

customElements.define("quote-table", QuoteTable);
