// @ts-check
/** A fragment of Licet's as nodes: its headings at the host's level, and its parts named for the host's styles. */

/** @type {any} */
let policy;

/** @param {string} markup */
export function parsed(markup) {
  // @ts-ignore Trusted Types are not in every browser
  const types = globalThis.trustedTypes;
  if (types) policy ??= types.createPolicy("licet", { createHTML: (/** @type {string} */ text) => text });
  return new DOMParser().parseFromString(policy ? policy.createHTML(markup) : markup, "text/html").body;
}

/** Which elements of a page a host may style by `::part`. */
const PARTS = {
  page: "#licet-content",
  title: ".h1",
  heading: ".h2, .h3, .h4",
  form: "form",
  question: "fieldset",
  answer: "label:has(input[type=radio]), :has(> button[name=allow])",
  button: "button, .button",
  field: "input, select, textarea",
  status: "[role=status]",
  errors: "[role=alert]",
};

/** @param {HTMLElement} body @param {number} top The level that the first heading gets; the others stay as far below it. */
export function dressed(body, top) {
  const level = Math.min(6, Math.max(1, top));
  for (const old of body.querySelectorAll("h1, h2, h3, h4")) {
    const made = document.createElement(`h${Math.min(6, Number(old.localName[1]) + level - 1)}`);
    for (const { name, value } of old.attributes) made.setAttribute(name, value);
    made.classList.add(old.localName);
    made.append(...old.childNodes);
    old.replaceWith(made);
  }
  for (const [part, selector] of Object.entries(PARTS)) {
    for (const one of body.querySelectorAll(selector)) one.part.add(part);
  }
}
