// @ts-check
/**
 * The base of every element: a page of Licet's, as a fragment in an open shadow root. Its forms and links go through
 * `fetch` with the host's token; no cookie is sent, and nothing is kept in the browser.
 *
 * One form is under way at a time: a second click meanwhile does nothing. docs/elements.md has the attributes, parts,
 * slots and events.
 */
import { dressed, parsed } from "./fragment.js";
import { own, sheet } from "./sheets.js";

const WAITS_MS = 15_000;
const LOADING_AFTER_MS = 500;
/** Which outcome of a page is which event. */
const EVENTS = { asked: "shown", answered: "answered", put_off: "put-off", nothing: "nothing", refused: "refused" };

/** What is said before Licet has answered; an attribute of the same name says it in the host's words. */
const SAYS = {
  loading: "Loading …",
  failed: "Your privacy choices could not be reached. Nothing changes until you answer.",
  offline: "You are offline. This is loaded when you are online again; nothing changes until you answer.",
  unsent: "We do not know whether this was saved. Try again: the same answer counts once.",
  retry: "Try again",
};

// Imported on a server that renders pages ahead, this defines nothing and breaks nothing.
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

/** Licet did not answer with a page; the status is 0 where it did not answer at all. */
class UnansweredError extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`status ${status}`);
    this.status = status;
  }
}

/** @typedef {string | (() => string | Promise<string>)} Token */
/** @typedef {"idle" | "loading" | "shown" | "empty" | "failed"} State */

export class LicetElement extends Base {
  static observedAttributes = ["base", "surface", "locale", "lang", "heading-level", "display", "chat", "receipt"];
  /** What it needs beside the stylesheets that all share. */
  static css = "";
  /** The events of other elements after which it asks again. @type {string[]} */
  static follows = [];

  /** @type {Token} */
  #token = "";
  /** @type {typeof globalThis.fetch} */
  #fetch = (...asked) => globalThis.fetch(...asked);
  /** @type {State} */
  #state = "idle";
  /** What is tried again when the browser is online again. @type {(() => void) | null} */
  #again = null;
  #turn = 0;
  #sending = false;
  #due = false;
  #hides = false;
  #internals = this.attachInternals();

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [own(this.#css)];
    root.addEventListener("submit", (event) => this.#submit(/** @type {SubmitEvent} */ (event)));
    root.addEventListener("click", (event) => this.#click(/** @type {MouseEvent} */ (event)));
  }

  /** The host's short token for this person, or what fetches one. Nothing is asked for before there is one. */
  get token() { return this.#token; }
  set token(given) {
    this.#token = given;
    this.reload();
  }

  /** How requests are made; a host may put its own in the place of the browser's. */
  get fetch() { return this.#fetch; }
  set fetch(given) { this.#fetch = given; }

  get state() { return this.#state; }
  get base() { return (this.getAttribute("base") ?? "").replace(/\/$/, ""); }
  set base(given) { this.setAttribute("base", given); } // frameworks set a property where there is one
  get root() { return /** @type {ShadowRoot} */ (this.shadowRoot); }

  // What the elements differ in

  /** The page that it begins with; empty for none yet. @returns {string} */
  get path() { return ""; }
  /** Whether it takes no room where there is nothing to say. */
  get collapses() { return false; }
  /** What holds the page within the shadow root. @returns {ParentNode & Node} */
  get frame() { return this.root; }
  /** Its state has changed. */
  changed() {}
  /** A page has arrived, and is told of next. @param {string} _outcome @param {object} _detail @param {string} _close What a button that closes it says. */
  arrived(_outcome, _detail, _close) {}

  // What the browser calls

  connectedCallback() {
    for (const name of ["base", "display", "fetch", "token"]) { // set before this script ran: as a plain property it would hide the accessor
      if (!Object.hasOwn(this, name)) continue;
      const given = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, given);
    }
    globalThis.addEventListener("online", this);
    for (const name of this.#follows) document.addEventListener(name, this);
    this.reload();
  }

  disconnectedCallback() {
    globalThis.removeEventListener("online", this);
    for (const name of this.#follows) document.removeEventListener(name, this);
    this.#turn += 1; // what is under way arrives, and is shown to nobody
    this.#sending = false;
  }

  /** @param {string} _name @param {string | null} old @param {string | null} now */
  attributeChangedCallback(_name, old, now) {
    if (old !== now) this.reload();
  }

  /** @param {Event} event */
  handleEvent(event) {
    if (event.type === "online") this.#state === "failed" && this.#again?.();
    else if (event.composedPath()[0] !== this) this.reload();
  }

  // Asking

  /** Asks for the first page again, once for all that changed together. */
  reload() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (this.isConnected && this.path) this.#token ? this.open(this.path) : console.info("no token", this);
    });
  }

  /** Shows a page of Licet's. @param {string} path @param {RequestInit} [request] @returns {Promise<void>} */
  async open(path, request = {}) {
    if (this.#sending) return;
    const sends = this.#sending = request.method === "POST";
    const turn = ++this.#turn;
    this.setAttribute("aria-busy", "true");
    const slow = setTimeout(() => turn === this.#turn && this.#loading(), LOADING_AFTER_MS);
    try {
      const [answer, style] = await Promise.all([this.#asked(path, request), sheet(this.base, "licet.css", this.fetch)]);
      const body = parsed(await answer.text());
      const { sheet: more } = /** @type {HTMLElement} */ (body.querySelector("#licet-content")).dataset; // throws where it is no page of Licet's
      const styles = more ? [style, await sheet(this.base, more, this.fetch)] : [style];
      if (turn !== this.#turn) return;
      this.root.adoptedStyleSheets = [...styles, own(this.#css)];
      dressed(body, Number(this.getAttribute("heading-level")) || 2);
      this.frame.replaceChildren(...body.childNodes);
      this.#sending = false;
      this.become("shown");
      this.#tell(path, sends, answer);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#sending = false;
      this.#failed(() => this.open(path, request), sends, error);
    } finally {
      clearTimeout(slow);
      if (turn === this.#turn) this.removeAttribute("aria-busy");
    }
  }

  /** @param {string} path @param {RequestInit} request */
  async #asked(path, request) {
    const url = new URL(this.base + path, location.href);
    url.searchParams.set("surface", this.getAttribute("surface") ?? "app");
    const locale = this.getAttribute("locale") || this.lang;
    const headers = {
      "licet-fragment": "1", authorization: await this.#authorization(), ...(locale ? { "accept-language": locale } : {}),
    };
    const answer = await this.fetch(url.href, {
      ...request, headers, credentials: "omit", signal: AbortSignal.timeout(WAITS_MS),
    });
    if (answer.status >= 500 || answer.status === 429) throw new UnansweredError(answer.status);
    return answer;
  }

  async #authorization() {
    return `Bearer ${typeof this.#token === "function" ? await this.#token() : this.#token}`;
  }

  // Showing

  /** @param {State} state */
  become(state) {
    const hides = state === "empty" && !this.querySelector(":scope > [slot=empty]");
    if (hides !== this.#hides) this.hidden = this.#hides = hides; // a host's own `hidden` is left alone
    try {
      this.#internals.states.delete(this.#state);
      this.#internals.states.add(state);
    } catch { /* a browser that knows custom states by an older name does without them */ }
    this.#state = state;
    this.changed();
  }

  /** @param {keyof typeof SAYS} name */
  #says(name) { return this.getAttribute(name) ?? SAYS[name]; }

  #loading() {
    if (this.root.querySelector("#licet-content")) return;
    const box = element("p", { role: "status", part: "loading" });
    box.append(element("slot", { name: "loading" }, this.#says("loading")));
    this.frame.replaceChildren(box);
    this.become("loading");
  }

  /** Says that Licet did not answer, above what is shown, if anything is. @param {() => void} again @param {boolean} sent @param {unknown} error */
  #failed(again, sent, error) {
    const offline = globalThis.navigator?.onLine === false;
    const box = element("div", { id: "licet-failed", class: "faults licet-failed", role: "alert", part: "failed" });
    const text = element("p");
    text.append(element("slot", { name: "failed" }, this.#says(sent ? "unsent" : offline ? "offline" : "failed")));
    const retry = element("button", { type: "button", part: "button retry" }, this.#says("retry"));
    retry.addEventListener("click", again);
    box.append(text, retry);
    console.error(error);
    this.root.querySelector("#licet-failed")?.remove();
    const page = this.root.querySelector("#licet-content");
    if (page) page.prepend(box);
    else this.frame.replaceChildren(box);
    this.#again = sent ? null : again; // an answer is sent again by its person alone
    this.become("failed");
    if (sent) retry.focus();
    this.tell("failed", { sent, offline, status: error instanceof UnansweredError ? error.status : 0 });
  }

  // Telling the host

  /** @param {string} name @param {object} [detail] @param {boolean} [cancelable] @returns {boolean} Whether nobody prevented it. */
  tell(name, detail = {}, cancelable = false) {
    return this.dispatchEvent(new CustomEvent(`licet-${name}`, { bubbles: true, composed: true, cancelable, detail }));
  }

  /** Moves the focus after a form, and tells the host what the page says. @param {string} path @param {boolean} sent @param {Response} answer */
  #tell(path, sent, answer) {
    const page = /** @type {HTMLElement | null} */ (this.root.querySelector("#licet-content"));
    const outcome = page?.dataset.outcome ?? "";
    const { close, ...detail } = JSON.parse(page?.dataset.detail || "{}");
    if (sent) /** @type {HTMLElement | null} */ (this.root.querySelector("#faults, #flash") ?? page)?.focus();
    if (outcome === "nothing" && path === this.path && !sent && this.collapses) {
      this.frame.replaceChildren(element("slot", { name: "empty" }));
      this.become("empty");
    }
    this.arrived(outcome, detail, close);
    const name = EVENTS[/** @type {keyof typeof EVENTS} */ (outcome)];
    const chat = /\/chats\/([^/?#]+)/.exec(path)?.[1];
    if (name === "shown" && detail.answers) this.tell("answered", detail); // saved, though something is still asked
    if (name) this.tell(name, outcome === "refused" ? { status: answer.status } : detail);
    else if (sent && answer.ok) this.tell("changed", { act: path.split(/[?#]/)[0].split("/").pop(), ...(chat ? { chat } : {}) });
  }

  // Forms and links

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const fields = new URLSearchParams();
    for (const [key, value] of new FormData(form, event.submitter)) fields.append(key, String(value));
    const path = form.getAttribute("action") || this.path;
    if (form.method === "post") this.open(path, { method: "POST", body: fields });
    else this.#go(`${path.split("?")[0]}?${fields}`);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const found = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    const link = /** @type {HTMLAnchorElement | undefined} */ (found);
    const href = link?.getAttribute("href") ?? "";
    if (link?.getRootNode() !== this.root || !/^(#|\/(?!\/))/.test(href)) return;
    event.preventDefault();
    if (href.startsWith("#")) this.root.getElementById(href.slice(1))?.focus();
    else if (link.hasAttribute("download")) this.#save(href, link.download);
    else this.#go(href);
  }

  /** Follows a link, unless the host does. @param {string} href */
  async #go(href) {
    if (!this.tell("navigate", { path: href }, true)) return;
    await this.open(href);
    const place = href.split("#")[1];
    const page = this.root.querySelector("#licet-content");
    /** @type {HTMLElement | null} */ ((place && this.root.getElementById(place)) || page)?.focus();
  }

  /** A download needs the token too, so it is fetched and handed over. @param {string} path @param {string} name */
  async #save(path, name) {
    try {
      const headers = { authorization: await this.#authorization() };
      const answer = await this.fetch(this.base + path, { credentials: "omit", headers });
      if (!answer.ok) throw new UnansweredError(answer.status);
      const href = URL.createObjectURL(await answer.blob());
      Object.assign(document.createElement("a"), { href, download: name || "licet.zip" }).click();
      URL.revokeObjectURL(href);
    } catch (error) {
      this.#failed(() => this.#save(path, name), false, error);
    }
  }

  get #css() { return /** @type {typeof LicetElement} */ (this.constructor).css; }
  get #follows() { return /** @type {typeof LicetElement} */ (this.constructor).follows; }
}

/** @param {string} name @param {Record<string, string>} [attributes] @param {string} [text] */
export function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** Defines an element, once, however often its module is loaded. @param {string} name @param {typeof LicetElement} made */
export function define(name, made) {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, made);
}
