/** Checks of an address, a key and an account reference that need no request. */

import { SetupError } from "./errors.js";
import type { ReasonCode } from "./reasons.js";

// eslint-disable-next-line no-control-regex -- it searches for control characters
const BLANK = /[\s\u0000-\u001f\u007f\ufeff\u200b]/;

/** Returns the address without trailing slashes; throws a `SetupError` for an invalid one. */
export function checkedAddress(address: string | URL): string {
  const url = address ? String(address) : "";
  const invalid = (because: ReasonCode): SetupError => new SetupError(because, url);
  if (!url) throw new SetupError("address_missing");
  if (BLANK.test(url)) throw new SetupError("address_blank", JSON.stringify(url));
  const [, scheme, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) throw invalid("address_scheme_missing");
  if (!/^https?$/i.test(scheme)) throw invalid("address_scheme");
  const authority = rest.split(/[/?#]/, 1)[0] ?? "";
  if (authority.includes("@")) throw new SetupError("address_credentials", authority.split("@").pop());
  if (/[?#]/.test(rest)) throw invalid("address_query");
  const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(authority) ?? [];
  if (!host) throw invalid("address_host");
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) {
    throw invalid("address_port");
  }
  const bare = url.replace(/\/+$/, "");
  if (/\/v\d+(\/.*)?$/.test(bare)) throw invalid("address_version");
  return bare;
}

/** Returns the key or token; throws a `SetupError`, which never quotes it, for an invalid one. */
export function checkedKey(key: unknown): string {
  if (typeof key !== "string" || !key.trim()) throw new SetupError("key_missing");
  if (/^bearer/i.test(key)) throw new SetupError("key_prefix");
  if (/^['"`]|['"`]$/.test(key)) throw new SetupError("key_quoted");
  if (BLANK.test(key)) throw new SetupError("key_blank");
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(key)) throw new SetupError("key_characters");
  return key;
}

/** Returns the account reference; throws a `SetupError` for an invalid one, such as the host's id without `host:`. */
export function checkedAccount(account: string): string {
  if (typeof account === "string" && /^(me$|acc_|host:.)/s.test(account)) return account;
  throw new SetupError("account_reference", JSON.stringify(account));
}
