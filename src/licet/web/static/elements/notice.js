// @ts-check
/**
 * <licet-notice>: the question, where one waits for an answer. `display` is `inline`, `banner` or `dialog`.
 *
 * A dialog opens when a question has arrived. Escape puts it off where that is permitted.
 */
import { LicetElement, define, element } from "./element.js";

const LATER = "button[name=act][value=later]";
const CSS = `
:host([display=banner]) { position: fixed; inset-inline: 0; inset-block-end: 0; z-index: var(--licet-layer, 1000);
  max-block-size: 70vh; max-block-size: 70dvh; overflow: auto; border-block-start: 1px solid;
  border-end-start-radius: 0; border-end-end-radius: 0; box-shadow: 0 -.25rem 1.5rem #0003; }
:host([display=dialog]) { padding: 0; border: 0; }
dialog { position: static; color: inherit; background: inherit; border: 0; padding: 0; inline-size: auto; }
dialog:modal { position: fixed; border: 1px solid; border-radius: var(--licet-corner, .5rem); overflow: auto;
  inline-size: min(44rem, calc(100vw - 2rem)); max-block-size: calc(100vh - 2rem); max-block-size: calc(100dvh - 2rem); }
dialog::backdrop { background: #0009; }
.licet-close { display: flex; justify-content: end; }
`;

export class LicetNotice extends LicetElement {
  static css = CSS;
  static follows = ["licet-answered"];

  /** @type {HTMLDialogElement | null} */
  #dialog = null;
  /** Where the focus was before it came to a banner. @type {HTMLElement | null} */
  #before = null;

  constructor() {
    super();
    this.addEventListener("focusin", ({ relatedTarget: from }) => {
      if (from instanceof HTMLElement) this.#before = from;
    });
  }

  get path() { return "/notice"; }
  get collapses() { return true; }
  get display() { return this.getAttribute("display") ?? "inline"; }
  set display(given) { this.setAttribute("display", given); }

  get frame() {
    if (this.display !== "dialog") {
      this.#dialog = null;
      return this.root;
    }
    if (!this.#dialog) {
      const dialog = this.#dialog = /** @type {HTMLDialogElement} */ (element("dialog", { part: "dialog" }));
      dialog.addEventListener("cancel", (event) => event.preventDefault());
      dialog.addEventListener("keydown", (event) => this.#key(event));
      dialog.addEventListener("close", () => this.isConnected && this.changed()); // by the browser: what still asks comes back
      this.root.replaceChildren(dialog);
    }
    return this.#dialog;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Escape") return;
    event.preventDefault(); // the browser would close it, and nothing would be on record
    const later = /** @type {HTMLButtonElement | null} */ (this.root.querySelector(LATER));
    const over = this.root.querySelector(".licet-close");
    const away = this.root.querySelector("#licet-failed"); // Licet does not answer: it asks again another time
    if (over || (later && away)) this.close();
    else later?.click();
  }

  /** Takes away what is shown, and gives the focus back to where it was. */
  close() {
    const focused = this.matches(":focus-within");
    this.frame.replaceChildren();
    this.#dialog?.close();
    this.become("empty");
    if (focused && this.display === "banner" && this.#before?.isConnected) this.#before.focus();
  }

  changed() {
    const dialog = this.#dialog;
    const title = this.root.querySelector(".h1")?.textContent ?? "";
    if (this.display === "banner") {
      this.setAttribute("role", "region");
      this.setAttribute("aria-label", title);
    }
    if (!dialog) return;
    if (this.state === "shown" && dialog.querySelector("form")) {
      dialog.setAttribute("aria-label", title);
      if (dialog.matches(":modal")) return;
      dialog.removeAttribute("open");
      dialog.showModal();
    } else if (!dialog.matches(":modal")) {
      dialog.toggleAttribute("open", this.state === "failed"); // that Licet is away holds nobody up
    }
  }

  /** @param {string} outcome @param {object} _detail @param {string} words */
  arrived(outcome, _detail, words) {
    if (this.display === "inline" || this.state === "empty") return this.#dialog?.close();
    const over = outcome === "answered" || outcome === "refused";
    if (outcome === "put_off" || outcome === "nothing" || (over && this.#dialog?.open === false)) return this.close();
    if (!over) return undefined;
    const row = element("p", { class: "licet-close" });
    const close = element("button", { type: "button", part: "button close" }, words);
    close.addEventListener("click", () => this.close());
    row.append(close);
    return this.root.querySelector("#licet-content")?.append(row);
  }
}

define("licet-notice", LicetNotice);
