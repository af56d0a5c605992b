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
 * by custom properties (--licet-accent, --licet-ground, ...). Events: `licet-shown`, `licet-answered`, `licet-put-off`,
 * `licet-nothing` and `licet-refused`, each of which bubbles.
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

class LicetPage extends HTMLElement {
  static observedAttributes = ["base", "surface", "lang"];

  /** @type {string | (() => string | Promise<string>)} */
  #token = "";

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

  attributeChangedCallback(/** @type {string} */ _name, /** @type {string | null} */ old) {
    if (old !== null && this.#token && this.isConnected) this.show(this.path);
  }

  /** @param {string} path @param {RequestInit} [request] */
  async show(path, request = {}) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.setAttribute("aria-busy", "true");
    try {
      const token = await this.#given();
      const url = new URL(this.base + path, location.href);
      url.searchParams.set("surface", this.getAttribute("surface") ?? "app");
      const [answer, style] = await Promise.all([
        fetch(url, {
          ...request,
          credentials: "omit",
          headers: {
            "licet-fragment": "1",
            ...(this.lang ? { "accept-language": this.lang } : {}),
            authorization: `Bearer ${token}`,
          },
        }),
        sheet(this.base),
      ]);
      const body = parsed(await answer.text());
      if (turn !== this.turn) return;
      const root = /** @type {ShadowRoot} */ (this.shadowRoot);
      root.adoptedStyleSheets = [style];
      root.replaceChildren(...body.childNodes);
      this.#tell(request.method === "POST");
    } catch {
      if (turn === this.turn) this.dispatchEvent(new CustomEvent("licet-refused", { bubbles: true, composed: true }));
    } finally {
      if (turn === this.turn) this.removeAttribute("aria-busy");
    }
  }

  async #given() {
    return typeof this.#token === "function" ? this.#token() : this.#token;
  }

  /** @param {boolean} sent */
  #tell(sent) {
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    const page = /** @type {HTMLElement | null} */ (root.querySelector("#licet-content"));
    if (sent) /** @type {HTMLElement | null} */ (root.querySelector("#faults") ?? page)?.focus();
    const name = EVENTS[/** @type {keyof typeof EVENTS} */ (page?.dataset.outcome ?? "")];
    if (name) this.dispatchEvent(new CustomEvent(`licet-${name}`, { bubbles: true, composed: true }));
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    const form = /** @type {HTMLFormElement} */ (event.target);
    event.preventDefault();
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
});
