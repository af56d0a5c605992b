// @ts-check
/*
 * <licet-notice> and <licet-settings>: Licet's own pages inside a host's page.
 *
 *   <script type="module" src="https://privacy.example.org/static/licet.js"></script>
 *   <licet-notice base="https://privacy.example.org" surface="app"></licet-notice>
 *   document.querySelector("licet-notice").token = async () => (await fetch("/licet-token")).text();
 *
 * The server makes the same markup as for a browser without script; here it is put into an open shadow root, and its
 * forms and links go through fetch with the host's token. Nothing is kept: no cookie, no storage. The look is changed
 * by custom properties (--licet-accent, --licet-ground, ...), and whether it is dark by the host's `color-scheme`. Events:
 * `licet-shown`, `licet-answered`, `licet-put-off`, `licet-nothing`, `licet-refused` and `licet-failed`, each of which bubbles.
 *
 * <licet-notice> takes no room where nothing is to be decided. Where Licet does not answer, either of them says so and offers to
 * try again; nothing that was typed is lost, and what is sent twice counts once. Their first heading is of the level
 * `heading-level` (2), and what they say before Licet has answered may be given in the host's words: `loading`, `failed`, `retry`.
 *
 * A page with a strict policy needs only script-src and connect-src for Licet's origin: no inline style, no eval.
 */

const EVENTS = { asked: "shown", answered: "answered", put_off: "put-off", nothing: "nothing", refused: "refused" };

/** @type {Map<string, Promise<CSSStyleSheet>>} */
const sheets = new Map();

/** @param {string} base */
function sheet(base) {
  let found = sheets.get(base);
  if (!found) {
    found = fetch(`${base}/static/licet.css`, { credentials: "omit" })
      .then((answer) => answer.text())
      .then((text) => new CSSStyleSheet().replace(text));
    sheets.set(base, found);
    found.catch(() => sheets.delete(base));
  }
  return found;
}

/** @param {string} markup */
function parsed(markup) {
  // @ts-ignore Trusted Types are not in every browser
  const types = globalThis.trustedTypes;
  const trusted = types ? (parsed.policy ??= types.createPolicy("licet", { createHTML: (/** @type {string} */ s) => s })).createHTML(markup) : markup;
  return new DOMParser().parseFromString(trusted, "text/html").body;
}
/** @type {any} */
parsed.policy = undefined;

const SAYS = {
  loading: "Loading …",
  failed: "Your privacy choices could not be reached. Nothing changes until you answer.",
  unsent: "We do not know whether this was saved. Try again: the same answer counts once.",
  retry: "Try again",
};
const WAITS = 15_000;
const LOADING_AFTER = 500;

/** @param {HTMLElement} body @param {number} top The level that the first heading gets; the others stay as far below it. */
function lowered(body, top) {
  for (const old of body.querySelectorAll("h1, h2, h3, h4")) {
    const made = document.createElement(`h${Math.min(6, Number(old.localName[1]) + top - 1)}`);
    for (const { name, value } of old.attributes) made.setAttribute(name, value);
    made.classList.add(old.localName);
    made.append(...old.childNodes);
    old.replaceWith(made);
  }
}

class LicetPage extends HTMLElement {
  static observedAttributes = ["base", "surface", "lang", "heading-level"];

  /** @type {string | (() => string | Promise<string>)} */
  #token = "";
  #empty = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.addEventListener("submit", (event) => this.#submit(/** @type {SubmitEvent} */ (event)));
    root.addEventListener("click", (event) => this.#click(/** @type {MouseEvent} */ (event)));
  }

  /** The host's short token for this person, or what fetches one. With it, and not before, the page is asked for. */
  get token() { return this.#token; }
  set token(given) {
    this.#token = given;
    if (given && this.isConnected) this.show(this.path);
  }

  get path() { return "/notice"; }
  get collapses() { return true; }
  get base() { return (this.getAttribute("base") ?? "").replace(/\/$/, ""); }

  connectedCallback() {
    if (Object.hasOwn(this, "token")) { // set before this script ran: as a plain property it would hide the accessor
      const given = this.token;
      Reflect.deleteProperty(this, "token");
      this.token = given;
    } else if (this.#token) {
      this.show(this.path);
    }
  }

  attributeChangedCallback(/** @type {string} */ _name, /** @type {string | null} */ old, /** @type {string | null} */ now) {
    if (old !== now && this.#token && this.isConnected) this.show(this.path);
  }

  /** @param {string} path @param {RequestInit} [request] */
  async show(path, request = {}) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const sends = request.method === "POST";
    this.setAttribute("aria-busy", "true");
    const slow = setTimeout(() => turn === this.turn && this.#loading(), LOADING_AFTER);
    try {
      const token = await this.#given();
      const url = new URL(this.base + path, location.href);
      url.searchParams.set("surface", this.getAttribute("surface") ?? "app");
      const [answer, style] = await Promise.all([
        fetch(url, {
          ...request,
          credentials: "omit",
          signal: AbortSignal.timeout(WAITS),
          headers: {
            "licet-fragment": "1",
            ...(this.lang ? { "accept-language": this.lang } : {}),
            authorization: `Bearer ${token}`,
          },
        }),
        sheet(this.base),
      ]);
      if (answer.status >= 500 || answer.status === 429) throw new Error("not now");
      const body = parsed(await answer.text());
      if (turn !== this.turn) return;
      const root = /** @type {ShadowRoot} */ (this.shadowRoot);
      root.adoptedStyleSheets = [style];
      lowered(body, Math.min(6, Math.max(1, Number(this.getAttribute("heading-level")) || 2)));
      root.replaceChildren(...body.childNodes);
      this.#collapsed(false);
      this.#tell(sends, path === this.path && !request.method);
    } catch {
      if (turn === this.turn) this.#failed(() => this.show(path, request), sends);
    } finally {
      clearTimeout(slow);
      if (turn === this.turn) this.removeAttribute("aria-busy");
    }
  }

  /** @param {boolean} is Takes no room, or that back: a host that hid the element itself is left alone. */
  #collapsed(is) {
    if (is === this.#empty) return;
    this.#empty = is;
    this.hidden = is;
  }

  /** @param {keyof typeof SAYS} name */
  #says(name) { return this.getAttribute(name) ?? SAYS[name]; }

  #loading() {
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    if (root.querySelector("#licet-content")) return;
    root.replaceChildren(Object.assign(document.createElement("p"), { role: "status", textContent: this.#says("loading") }));
    this.#collapsed(false);
  }

  /** @param {() => void} again @param {boolean} sent Says that Licet did not answer, above what is shown, if anything is. */
  #failed(again, sent) {
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    const box = Object.assign(document.createElement("div"), { id: "licet-failed", className: "faults", role: "alert" });
    const text = Object.assign(document.createElement("p"), { textContent: this.#says(sent ? "unsent" : "failed") });
    const retry = Object.assign(document.createElement("button"), { type: "button", textContent: this.#says("retry") });
    retry.addEventListener("click", again);
    box.append(text, retry);
    root.querySelector("#licet-failed")?.remove();
    const page = root.querySelector("#licet-content");
    if (page) page.prepend(box);
    else root.replaceChildren(box);
    this.#collapsed(false);
    if (sent) retry.focus();
    this.dispatchEvent(new CustomEvent("licet-failed", { bubbles: true, composed: true }));
  }

  async #given() {
    return typeof this.#token === "function" ? this.#token() : this.#token;
  }

  /** @param {boolean} sent @param {boolean} own Whether it is the page that the component begins with. */
  #tell(sent, own) {
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    const page = /** @type {HTMLElement | null} */ (root.querySelector("#licet-content"));
    if (sent) /** @type {HTMLElement | null} */ (root.querySelector("#faults") ?? page)?.focus();
    const name = EVENTS[/** @type {keyof typeof EVENTS} */ (page?.dataset.outcome ?? "")];
    if (own && name === "nothing" && this.collapses) {
      root.replaceChildren();
      this.#collapsed(true);
    }
    if (name) this.dispatchEvent(new CustomEvent(`licet-${name}`, { bubbles: true, composed: true }));
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    const form = /** @type {HTMLFormElement} */ (event.target);
    event.preventDefault();
    if (this.hasAttribute("aria-busy")) return; // a second click while the first is on its way
    const body = new URLSearchParams();
    for (const [key, value] of new FormData(form, event.submitter)) body.append(key, String(value));
    this.show(/** @type {string} */ (form.getAttribute("action")), { method: "POST", body });
  }

  /** @param {MouseEvent} event */
  #click(event) {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    const href = /** @type {HTMLAnchorElement | undefined} */ (link)?.getAttribute("href") ?? "";
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    if (href.startsWith("#")) {
      event.preventDefault();
      /** @type {HTMLElement | null} */ (root.querySelector(href))?.focus();
    } else if (href.startsWith("/") && link?.hasAttribute("download")) {
      event.preventDefault();
      this.#save(href, link.download);
    } else if (href.startsWith("/")) {
      event.preventDefault();
      this.show(href).then(() => /** @type {HTMLElement | null} */ (root.querySelector("#licet-content"))?.focus());
    }
  }

  /** @param {string} path @param {string} name A download needs the token too, so it is fetched and handed over. */
  async #save(path, name) {
    const authorization = `Bearer ${await this.#given()}`;
    const answer = await fetch(this.base + path, { credentials: "omit", headers: { authorization } });
    if (!answer.ok) return;
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: name || "licet.zip" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

customElements.define("licet-notice", class extends LicetPage {});
customElements.define("licet-settings", class extends LicetPage {
  get path() { return "/settings"; }
  get collapses() { return false; }
});
