// @ts-check
/** All elements; each module also stands alone. */
export { LicetElement } from "./element.js";
export { LicetNotice } from "./notice.js";
export { LicetSettings } from "./settings.js";
export { LicetData } from "./data.js";
export { LicetBadge } from "./badge.js";
export { LicetReceipt } from "./receipt.js";
