// @ts-check
/** <licet-data>: every chat and whether it may be used; keep one out, let it in, delete it; take everything out. */
import { LicetElement, define } from "./element.js";

export class LicetData extends LicetElement {
  get path() { return "/chats"; }
}

define("licet-data", LicetData);
