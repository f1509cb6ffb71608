// @ts-check
// <sign-in>: asks for the token of an engine that wants one. Tells "signed-in".

import { access, isToken } from "./access.js";
import { find } from "./elements.js";
import { Fields } from "./fields.js";

export class SignIn extends HTMLElement {
  #form = find(this, "form", HTMLFormElement);
  #fields = new Fields(this.#form);

  connectedCallback() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("input", () => this.#fields.accept("token"));
  }

  /** Ask for a token, another one if there was one. */
  ask() {
    const refused = access.token !== null;
    access.forget();
    this.hidden = false;
    if (refused) this.#fields.reject("token", "was not accepted by the engine");
    this.#fields.focus("token");
  }

  #submit() {
    const { token } = this.#fields.values(["token"]);
    if (!isToken(token)) {
      this.#fields.reject("token", token === "" ? "must be given" : "has characters that no token has");
      return this.#fields.focus("token");
    }
    access.use(token);
    this.#fields.fill({ token: "" });
    this.hidden = true;
    this.dispatchEvent(new Event("signed-in"));
  }
}

customElements.define("sign-in", SignIn);
