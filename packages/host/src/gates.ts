/**
 * A cache of the gate of each account, as `licet.host.gate_cache`: an answer is used for as long as it says, and refreshed
 * in the background in the second half of that time. While Licet cannot be reached, or answers with an error of its own
 * about `TROUBLED_ACCOUNTS` in a row, one question each `UNKNOWN_MS` tries
 * again, in the background; nobody else waits. One late answer among others that came in the meantime does not count as
 * that. `last` is the newest answer about an account, however old.
 */

import type { Checked, Licet, ReasonCode } from "@licet/client";

export const UNKNOWN_MS = 5_000;
export const TROUBLED_ACCOUNTS = 3;
const ACCOUNTS_MAX = 100_000;
const ABOUT_ACCOUNT = new Set<string>(["must_decide", "closed", "no_account"]);
const UNREACHED = new Set<string>([
  "name_unknown", "connection_refused", "connection_lost", "no_answer", "late", "tls_failed", "certificate_unknown",
  "not_http", "not_licet",
] satisfies ReasonCode[]);

const TROUBLED = new Set<string>([
  "database_silent", "bucket_silent", "key_provider_silent", "identity_provider_silent", "disk_full", "disk_failed", "broken",
  "busy", "fenced", "newer_schema", "rate_limited", "redirected", "cut_off", "unreadable",
] satisfies ReasonCode[]);

/** Whether nobody answered about the account. */
export function isUnanswered(answer: Checked): boolean {
  return answer.gate === "unknown" && !ABOUT_ACCOUNT.has(answer.because);
}

/** Whether an answer is a no about the account itself. */
export function isAboutAccount(answer: Checked): boolean {
  return ABOUT_ACCOUNT.has(answer.because);
}

interface Seen {
  answer: Checked;
  until: number;
  refreshFrom: number;
}

export class GateCache {
  readonly #client: Licet;
  readonly #seen = new Map<string, Seen>();
  readonly #last = new Map<string, Checked>();
  readonly #asking = new Map<string, Promise<Checked>>();
  #away: { answer: Checked; until: number } | undefined;
  #answeredAt = -Infinity;
  readonly #troubled = new Set<string>();

  constructor(client: Licet) {
    this.#client = client;
  }

  /** The newest answer about an account. */
  last(account: string): Checked | undefined {
    return this.#last.get(account);
  }

  /** The gate; it never rejects: a gate that cannot be determined is `unknown`, and the person may not write. */
  async ask(account: string): Promise<Checked> {
    const now = performance.now();
    const seen = this.#seen.get(account);
    if (seen && seen.until > now) {
      if (seen.refreshFrom <= now) void this.#request(account);
      return seen.answer;
    }
    if (this.#away) {
      const { answer, until } = this.#away;
      if (until <= now) {
        this.#away = { answer, until: now + UNKNOWN_MS };
        void this.#request(account);
      }
      return answer;
    }
    return this.#request(account);
  }

  /** An answer about the account, cached or not; one that is `unknown` only if nobody gives any. */
  async askNow(account: string): Promise<Checked> {
    const seen = this.#seen.get(account);
    if (seen && seen.until > performance.now() && !isUnanswered(seen.answer)) return seen.answer;
    return this.#request(account);
  }

  /** Asks again about an account, by Licet's own id, when it is next asked for. */
  forget(id: string): void {
    for (const [account, { answer }] of this.#seen) {
      if ("account" in answer && answer.account === id) this.#seen.delete(account);
    }
  }

  /** Whether what kept an answer away keeps it from every account. */
  #isEverybodys(account: string, because: string): boolean {
    if (TROUBLED.has(because) && this.#troubled.size < TROUBLED_ACCOUNTS) this.#troubled.add(account);
    return UNREACHED.has(because) || this.#troubled.size >= TROUBLED_ACCOUNTS;
  }

  #request(account: string): Promise<Checked> {
    const asking = this.#asking.get(account) ?? this.#fetch(account);
    this.#asking.set(account, asking);
    return asking;
  }

  async #fetch(account: string): Promise<Checked> {
    const begun = performance.now();
    const answer = await this.#client.check(account);
    const unanswered = isUnanswered(answer);
    const fresh = "fresh_seconds" in answer ? (answer.fresh_seconds ?? 60) : 60;
    const wait = answer.gate === "unknown" ? answer.retry_after * 1_000 : 0;
    const lasts = unanswered ? Math.max(UNKNOWN_MS, wait) : fresh * 1_000;
    const held = this.#seen.get(account);
    if (!(unanswered && held && held.until > performance.now())) {
      put(this.#seen, account, { answer, until: begun + lasts, refreshFrom: begun + (unanswered ? lasts : lasts / 2) });
    }
    if (!unanswered) {
      put(this.#last, account, answer);
      this.#away = undefined;
      this.#answeredAt = performance.now();
      this.#troubled.clear();
    } else if (this.#answeredAt < begun && this.#isEverybodys(account, answer.because)) {
      this.#away = { answer, until: performance.now() + Math.max(UNKNOWN_MS, wait) };
    }
    this.#asking.delete(account);
    return answer;
  }
}

function put<V>(into: Map<string, V>, account: string, kept: V): void {
  into.delete(account);
  into.set(account, kept);
  if (into.size > ACCOUNTS_MAX) into.delete(into.keys().next().value as string);
}
