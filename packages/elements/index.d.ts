/** Web components of Licet. Importing the package defines all of them; `@licet/elements/NAME.js` defines one. */

/** The host's short token for its person, or what fetches one; a function is asked anew for each request. */
export type Token = string | (() => string | Promise<string>);
export type State = "idle" | "loading" | "shown" | "empty" | "failed";

/** An answer that was saved; `receipt` is its name for `<licet-receipt receipt>`. */
export interface Answer {
  question: string;
  allow: boolean;
  effect: "began" | "affirmed" | "withdrew" | "declined" | "none";
  receipt: string;
}

/** What is asked. `until` is the last day (UTC) on which it can be put off. */
export interface Asked {
  questions: string[];
  terms: boolean;
  may_put_off: boolean;
  until: string | null;
}

/** Whether a chat may be used for a purpose. `until` is the end of the last use. */
export interface Use {
  purpose: string;
  use: "whole" | "part" | "none";
  because: string;
  until: string | null;
}

export interface LicetEventMap {
  /** A question is shown; of a badge, what it says. */
  "licet-shown": CustomEvent<Asked | { chat: string; uses: Use[] }>;
  "licet-answered": CustomEvent<{ answers: Answer[] }>;
  /** The question rests until `again`. */
  "licet-put-off": CustomEvent<{ again: string; until: string | null }>;
  "licet-nothing": CustomEvent<{ because: string }>;
  /** The token does not hold (401), or there is no such thing of this person's (404). */
  "licet-refused": CustomEvent<{ status: number }>;
  /** Licet did not answer. `sent`: it is not known whether a form arrived. */
  "licet-failed": CustomEvent<{ sent: boolean; offline: boolean; status: number }>;
  /** Something else than an answer was changed: `act` is what, for instance `keep-out`, `let-in` or `delete`. */
  "licet-changed": CustomEvent<{ act: string; chat?: string }>;
  /** A link is about to be followed within the element; `preventDefault` leaves it to the host. */
  "licet-navigate": CustomEvent<{ path: string }>;
}

export class LicetElement extends HTMLElement {
  /** The address of Licet, as the attribute has it. */
  base: string;
  /** Nothing is asked for before there is one. */
  token: Token;
  /** How requests are made: a host may put its own in the place of the browser's. */
  fetch: typeof globalThis.fetch;
  readonly state: State;
  /** Asks for the first page again. */
  reload(): void;
  /** Shows a page of Licet's, by its path. */
  open(path: string, request?: RequestInit): Promise<void>;
  addEventListener<K extends keyof LicetEventMap>(
    type: K, listener: (this: this, event: LicetEventMap[K]) => unknown, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions,
  ): void;
}

export class LicetNotice extends LicetElement {
  display: string;
  /** Takes away what is shown, and gives the focus back. The question comes again with `reload`. */
  close(): void;
}
export class LicetSettings extends LicetElement {}
export class LicetData extends LicetElement {}
export class LicetBadge extends LicetElement {}
export class LicetReceipt extends LicetElement {}

/** The attributes of every element. */
export interface LicetAttributes {
  /** The address of Licet. */
  base?: string;
  /** Where it is shown, as it goes on record: `app` if nothing is said. */
  surface?: string;
  /** The language, as in `Accept-Language`; without it that of `lang`, or the browser's. */
  locale?: string;
  theme?: "light" | "dark" | "auto";
  /** The level of the first heading, 2 if nothing is said. */
  "heading-level"?: string | number;
  loading?: string;
  failed?: string;
  offline?: string;
  unsent?: string;
  retry?: string;
}
export interface LicetNoticeAttributes extends LicetAttributes {
  display?: "inline" | "banner" | "dialog";
}
export interface LicetBadgeAttributes extends LicetAttributes {
  /** Licet's id of the chat, or `host:` and the host's own. */
  chat: string;
}
export interface LicetReceiptAttributes extends LicetAttributes {
  /** The name of a receipt; without it the newest. */
  receipt?: string;
}

declare global {
  interface HTMLElementTagNameMap {
    "licet-notice": LicetNotice;
    "licet-settings": LicetSettings;
    "licet-data": LicetData;
    "licet-badge": LicetBadge;
    "licet-receipt": LicetReceipt;
  }
  interface GlobalEventHandlersEventMap extends LicetEventMap {}
}
