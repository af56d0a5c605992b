// @ts-check
/** <licet-receipt receipt="...">: the receipt of one choice, and without a name that of the newest. */
import { LicetElement, define } from "./element.js";

export class LicetReceipt extends LicetElement {
  static follows = ["licet-answered"];
  get path() { return `/settings/receipts/${encodeURIComponent(this.getAttribute("receipt") || "newest")}`; }
  get collapses() { return true; }
}

define("licet-receipt", LicetReceipt);
