/** What can be seen of an address, a key and an account's reference without asking anybody. */

import { SetupError } from "./errors.js";
import type { ReasonCode } from "./reasons.js";

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const BLANK = /[\s\u0000-\u001f\u007f\ufeff\u200b]/;

/** The address without slashes at its end; a `SetupError` says what is wrong with it. */
export function checkedAddress(given: string | URL): string {
  const url = given ? String(given) : "";
  const wrong = (because: ReasonCode): SetupError => new SetupError(because, url);
  if (!url) throw new SetupError("address_missing");
  if (BLANK.test(url)) throw new SetupError("address_blank", JSON.stringify(url));
  const [, scheme, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) throw wrong("address_scheme_missing");
  if (!/^https?$/i.test(scheme)) throw wrong("address_scheme");
  const authority = rest.split(/[/?#]/, 1)[0] ?? "";
  if (authority.includes("@")) throw new SetupError("address_credentials", authority.split("@").pop());
  if (/[?#]/.test(rest)) throw wrong("address_query");
  const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(authority) ?? [];
  if (!host) throw wrong("address_host");
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) {
    throw wrong("address_port");
  }
  const bare = url.replace(/\/+$/, "");
  if (/\/v\d+(\/.*)?$/.test(bare)) throw wrong("address_version");
  return bare;
}

/** The key or token as it is given; a `SetupError` says what is wrong with it, and never quotes it. */
export function checkedKey(key: unknown): string {
  if (typeof key !== "string" || !key.trim()) throw new SetupError("key_missing");
  if (/^bearer/i.test(key)) throw new SetupError("key_prefix");
  if (/^['"`]|['"`]$/.test(key)) throw new SetupError("key_quoted");
  if (BLANK.test(key)) throw new SetupError("key_blank");
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(key)) throw new SetupError("key_characters");
  return key;
}

/** A reference to an account; a `SetupError` for the host's own id without `host:`. */
export function checkedAccount(account: string): string {
  if (typeof account === "string" && /^(me$|acc_|host:.)/s.test(account)) return account;
  throw new SetupError("account_reference", JSON.stringify(account));
}
