// @ts-check
/** <licet-settings>: what holds, one step to change it either way, and all that is on record. */
import { LicetElement, define } from "./element.js";

export class LicetSettings extends LicetElement {
  static follows = ["licet-answered"];
  get path() { return "/settings"; }
}

define("licet-settings", LicetSettings);
