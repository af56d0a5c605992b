// @ts-check
/**
 * <licet-badge chat="...">: whether one chat may be used, for what, and until when. `chat` is Licet's id or `host:` and
 * the host's own. A chat that Licet does not know yet takes no room.
 */
import { LicetElement, define } from "./element.js";

const CSS = `
:host, :host .licet-page { padding: 0; background: none; max-width: none; }
p { margin-block: .1rem; }
`;

export class LicetBadge extends LicetElement {
  static css = CSS;
  static follows = ["licet-answered", "licet-changed"];

  get path() {
    const chat = this.getAttribute("chat");
    return chat ? `/chats/${encodeURIComponent(chat)}/badge` : "";
  }

  /** @param {string} outcome @param {object} detail */
  arrived(outcome, detail) {
    if (outcome === "refused") {
      this.root.replaceChildren();
      this.become("empty");
    } else {
      this.tell("shown", detail);
    }
  }
}

define("licet-badge", LicetBadge);
