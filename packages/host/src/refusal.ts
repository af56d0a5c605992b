/** The response to a refused message: problem+json, as in `licet.host.asgi`. */

import type { GatePermit } from "./index.js";

export interface Refusal {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export function refusal(permit: GatePermit): Refusal {
  const { because, detail } = permit;
  const status = because === "must_decide" ? 451 : because === "closed" || because === "no_account" ? 403 : 503;
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (status === 503) headers["retry-after"] = String(permit.retryAfter || 5);
  const choice = status === 451 ? permit.choice : "";
  const type = `urn:licet:problem:${because || permit.gate}`;
  return { status, headers, body: JSON.stringify({ type, title: detail, status, because, detail, choice }) };
}
