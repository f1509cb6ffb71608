// @ts-check
// A form's fields: what was typed, and the error that stands at one.
//
// The error of the field `name` stands in the element `name-error`, which describes the field and
// whose data-label says what the field is called in a sentence.

export class Fields {
  #form;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.#form = form;
  }

  /**
   * What stands in the fields, without spaces around it.
   * @template {string} Name
   * @param {Name[]} names
   * @returns {Record<Name, string>}
   */
  values(names) {
    const pairs = names.map((name) => {
      const control = this.#form.elements.namedItem(name);
      return [name, control !== null && "value" in control ? String(control.value).trim() : ""];
    });
    return Object.fromEntries(pairs);
  }

  /** @param {Record<string, string>} values by name */
  fill(values) {
    for (const [name, value] of Object.entries(values)) {
      const control = this.#form.elements.namedItem(name);
      if (control !== null && "value" in control) control.value = value;
    }
  }

  /** Whether a field exists and can be seen. @param {string} name */
  isShown(name) {
    return this.#controls(name).some((control) => control.closest("[hidden]") === null);
  }

  /** @param {string} name @param {string} why what is wrong, as "must be given" */
  reject(name, why) {
    for (const control of this.#controls(name)) control.setAttribute("aria-invalid", "true");
    const place = this.#place(name);
    const text = `${place.dataset.label} ${why}`.replace(/\.?$/, ".");
    if (place.textContent !== text) place.textContent = text;
  }

  /** @param {...string} names of fields that are right as far as is known */
  accept(...names) {
    for (const name of names) {
      for (const control of this.#controls(name)) control.removeAttribute("aria-invalid");
      this.#place(name).textContent = "";
    }
  }

  /** @param {string} name */
  focus(name) {
    this.#controls(name)[0].focus();
  }

  /** The first in the order of the page. */
  focusFirstWrong() {
    const wrong = this.#form.querySelector('[aria-invalid="true"]');
    if (wrong instanceof HTMLElement) wrong.focus();
  }

  /** All radios of a group, one of any other. @param {string} name */
  #controls(name) {
    const found = this.#form.elements.namedItem(name);
    const all = found instanceof RadioNodeList ? [...found] : [found];
    return all.filter((control) => control instanceof HTMLElement);
  }

  /** @param {string} name */
  #place(name) {
    const place = document.getElementById(`${name}-error`);
    if (place === null) throw new Error(`the field ${name} has no place for its error`);
    return place;
  }
}
