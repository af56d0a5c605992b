/**
 * Connects an assistant in Node to Licet: the gate before a chat, recording after it. The same as `licet.host` in Python;
 * docs/host.md describes both.
 */

import * as fs from "node:fs";
import { join } from "node:path";
import { BusyError, type BulkItem, checkedAccount, Licet, LicetError, type ReasonCode, reasonOf, type Schemas, SetupError, UsageError } from "@licet/client";
import { GateCache, isAboutAccount, isUnanswered } from "./gates.js";
import { Spool, SpoolError } from "./spool.js";

export { ChatExchange } from "./exchange.js";
export { refusal, type Refusal } from "./refusal.js";

/** What happens to a chat while its gate is not answered. */
export type Outage = "block" | "allow_and_keep";
/** A turn of an exchange; its account and grant come from the permit. */
export type HostTurn = Omit<Schemas["NewTurn"], "account" | "grant">;
/** A turn as it was sent, with its account and grant. */
export type RecordedTurn = Schemas["NewTurn"];
export type HostEvent = Schemas["HostEvent"];

export interface HostSettings {
  /** The address of `licet serve`. Whoever runs it receives all messages. */
  url: string;
  /** A file with a key of scopes `gate:read` and `turns:write`; read again for every request. */
  keyFile: string;
  /** A folder on a local disk for queued, encrypted turns. */
  spool: string;
  /** The spool's key, created if missing; by default `spool.key` in the folder. */
  spoolKeyFile?: string;
  /** 256 MiB per process by default. While the spool is full, new turns are not recorded. */
  spoolBytesMax?: number;
  /** `block` by default. */
  outage?: Outage;
  /** Milliseconds that a chat waits for its gate: 2,000. */
  gateTimeout?: number;
  /** Where a person answers; by default `/notice` at `url`. */
  choiceUrl?: string;
  /** Receives each event; the key needs `events:read`. After an error the event is passed again. */
  onEvent?: (event: HostEvent) => void | Promise<void>;
  /** Receives each recorded turn, with Licet's ids. */
  recorded?: (turn: RecordedTurn, item: BulkItem) => void;
  /** Receives each warning, which has no content and no names; `console.warn` by default. */
  log?: (message: string) => void;
}

/** The gate's answer for one message, under which its turns are recorded. */
export interface GatePermit {
  account: string;
  gate: string;
  /** The message may be sent. */
  mayWrite: boolean;
  /** Its turns are recorded. */
  mayRecord: boolean;
  /** The newest known grant, 0 for none. */
  grant: number;
  /** Why it may not be sent, or why the gate is unknown; otherwise empty. */
  because: ReasonCode | "";
  detail: string;
  choice: string;
  retryAfter: number;
}

const BATCH_TURNS_MAX = 1_000;
const GATHER_MS = 200;
const WAIT_MS_MAX = 30_000;
const RETRIED = new Set([429, 500, 502, 503, 504]);
const DROPPED = new Set<string>(["must_decide", "no_account"]);
const SPLIT = new Set<ReasonCode>(["bad_request", "too_large"]);

/** One per process. Constructed even during an outage; `verify` checks the settings with Licet. */
export class Host {
  /** The outcomes of gates and turns, by reason. */
  readonly counts = new Map<string, number>();
  readonly settings: HostSettings;
  readonly #client: Licet;
  readonly #gates: GateCache;
  readonly #opening: Promise<Spool>;
  readonly #aborter = new AbortController();
  readonly #tasks: Promise<unknown>;
  #wakeUp: () => void = () => {};

  constructor(settings: HostSettings) {
    this.settings = settings;
    const checkTimeout = settings.gateTimeout ?? 2_000;
    this.#client = new Licet(settings.url, () => readKey(settings.keyFile), { checkTimeout, attemptsMax: 3 });
    this.#gates = new GateCache(this.#client);
    if (!settings.spool) throw new SetupError("spool_unwritable", "no folder is given");
    const keyFile = settings.spoolKeyFile ?? join(settings.spool, "spool.key");
    this.#opening = Spool.open(settings.spool, keyFile, settings.spoolBytesMax ?? 256 * 2 ** 20);
    this.#opening.catch(() => undefined); // `verify` rejects with it
    this.#tasks = Promise.all([this.#deliver(), settings.onEvent ? this.#followEvents(settings.onEvent) : undefined]);
  }

  /** Rejects with a `SetupError` that names an invalid setting; an outage is only logged. */
  async verify(): Promise<void> {
    readKey(this.settings.keyFile);
    await this.#opening;
    try {
      await this.#client.verify("gate:read", "turns:write", ...(this.settings.onEvent ? ["events:read"] : []));
    } catch (error) {
      if (error instanceof SetupError) throw error;
      this.#log(`the settings cannot be checked now: ${reasonOf(error)}`);
    }
  }

  /** Returns the permit for one message of an account. */
  async gate(account: string): Promise<GatePermit> {
    const current = await this.#gates.ask(checkedAccount(account));
    const unanswered = isUnanswered(current);
    const last = unanswered ? this.#gates.last(account) : current;
    const keeps = unanswered && this.settings.outage === "allow_and_keep";
    const mayWrite = current.may_write || (keeps && (last === undefined || last.may_write));
    const answer = keeps && last && isAboutAccount(last) ? last : current;
    if (!current.may_write) this.count(`gate: ${current.gate}, ${current.because}`);
    return {
      account,
      gate: answer.gate,
      mayWrite,
      mayRecord: mayWrite,
      grant: last && "grant" in last ? last.grant : 0,
      because: answer.because,
      detail: answer.detail ?? "",
      choice: this.settings.choiceUrl ?? `${this.settings.url.replace(/\/+$/, "")}/notice`,
      retryAfter: answer.gate === "unknown" ? answer.retry_after : 0,
    };
  }

  /** Spools the turns of a permitted message. Resolves to whether they are on disk; never rejects: refusals are counted. */
  async record(permit: GatePermit, turns: readonly HostTurn[]): Promise<boolean> {
    if (!turns.length) return false;
    if (!permit.mayRecord) {
      this.#countRefused("no permit", turns.length);
      return false;
    }
    try {
      const spool = await this.#opening;
      const permitted = turns.map((turn) => ({ ...turn, account: permit.account, grant: permit.grant }));
      await spool.put(Buffer.from(JSON.stringify(permitted)));
    } catch (error) {
      this.#countRefused(error instanceof SpoolError || error instanceof LicetError ? error.because : "spool_disk", turns.length);
      return false;
    }
    this.count("spooled", turns.length);
    this.#wakeUp();
    return true;
  }

  count(reason: string, number = 1): void {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + number);
  }

  #countRefused(reason: string, turns = 1): void {
    this.count(`refused: ${reason}`, turns);
    this.#log(`not recorded: ${reason}`);
  }

  #log(message: string): void {
    (this.settings.log ?? console.warn)(`licet: ${message}`);
  }

  /** Returns the bytes in the spool. */
  async waiting(): Promise<number> {
    return (await this.#opening).size;
  }

  /** Stops delivery; the spool's content waits for the next start. */
  async close(): Promise<void> {
    this.#aborter.abort();
    this.#wakeUp();
    await this.#tasks;
    await (await this.#opening).close();
  }

  async #deliver(): Promise<void> {
    const spool = await this.#opening.catch(() => undefined);
    if (!spool) return;
    for (let failures = 0; !this.#aborter.signal.aborted; ) {
      const wakeUp = new Promise<void>((resolve) => (this.#wakeUp = resolve));
      let delivered = false;
      try {
        delivered = await this.#deliverFile(spool);
        failures = 0;
      } catch (error) {
        failures += 1;
        await this.#backOff("not delivered", error, failures);
        continue;
      }
      if (!delivered) {
        await wakeUp;
        await this.#pause(GATHER_MS); // gathers the turns of a busy moment in one request
      }
    }
  }

  async #deliverFile(spool: Spool): Promise<boolean> {
    const taken = spool.take();
    if (!taken) return false;
    if (taken.unreadable) {
      this.count("spool: unreadable", taken.unreadable);
      this.#log(`${taken.unreadable} records of the spool cannot be decrypted: their file is set aside`);
    }
    const turns: Schemas["NewTurn"][] = [];
    for (const record of taken.records) {
      const added = JSON.parse(record.toString()) as Schemas["NewTurn"][];
      const gate = await this.#gates.askNow(added[0]?.account ?? "");
      if (isUnanswered(gate)) throw new BusyError("busy", 0, { detail: gate.detail ?? "", because: gate.because });
      if (DROPPED.has(gate.because)) this.#countRefused(gate.because, added.length);
      else turns.push(...added);
    }
    for (let start = 0; start < turns.length; start += BATCH_TURNS_MAX) {
      await this.#send(turns.slice(start, start + BATCH_TURNS_MAX));
    }
    spool.delivered(taken);
    return true;
  }

  async #send(turns: Schemas["NewTurn"][]): Promise<void> {
    let items: BulkItem[];
    try {
      items = await this.#client.sayAll(turns, { signal: this.#aborter.signal });
    } catch (error) {
      // any other refusal concerns the key or a proxy, not the turns
      const because = reasonOf(error);
      if (!(error instanceof UsageError) || !SPLIT.has(because)) throw error;
      if (turns.length === 1) return this.#countRefused(because);
      const middle = turns.length >> 1; // a single turn makes the whole request invalid
      await this.#send(turns.slice(0, middle));
      return this.#send(turns.slice(middle));
    }
    if (items.length !== turns.length || items.some((item) => RETRIED.has(item.status))) {
      throw new BusyError("busy", 0, { detail: "some turns were not taken" });
    }
    for (const [index, item] of items.entries()) {
      const reason = item.because || item.problem?.split(":").at(-1) || String(item.status);
      if (item.status !== 201) this.#countRefused(reason);
      else {
        this.count(`delivered: ${item.outcome}`);
        this.settings.recorded?.(turns[index]!, item);
      }
    }
  }

  async #followEvents(onEvent: (event: HostEvent) => void | Promise<void>): Promise<void> {
    const file = join(this.settings.spool, "events.cursor");
    const spool = await this.#opening.catch(() => undefined);
    let since = fs.existsSync(file) ? fs.readFileSync(file, "utf-8").trim() : "0";
    for (let failures = 0; spool && !this.#aborter.signal.aborted; ) {
      try {
        const page = await this.#client.send("list_events", { query: { since, wait: 5 }, signal: this.#aborter.signal });
        for (const event of page.items) {
          const account = (event.data as { account?: unknown }).account;
          if (event.type === "choice.changed" && typeof account === "string") this.#gates.forget(account);
          await onEvent(event);
          since = saveCursor(file, event.cursor);
        }
        if (page.next !== since) since = saveCursor(file, page.next);
        failures = 0;
      } catch (error) {
        failures += 1;
        await this.#backOff("events cannot be followed", error, failures);
      }
    }
  }

  /** Logs the failure and waits, longer after each failure in a row. */
  async #backOff(message: string, error: unknown, failures: number): Promise<void> {
    const milliseconds = Math.min(GATHER_MS * 2 ** Math.min(failures, 20), WAIT_MS_MAX);
    const reason = error instanceof LicetError ? error.because : (error as Error)?.name;
    if (!this.#aborter.signal.aborted) this.#log(`${message}, again in ${milliseconds / 1_000} s: ${reason}`);
    await this.#pause(milliseconds);
  }

  #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#aborter;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener("abort", end);
    });
  }
}

/** Reads the key; throws a `SetupError` if it cannot. */
function readKey(file: string): string {
  try {
    return fs.readFileSync(file, "utf-8").trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new SetupError(code === "ENOENT" ? "key_file_missing" : "key_file_unreadable", `${file}: ${message}`);
  }
}

/** Writes the cursor of the last event durably and returns it. */
function saveCursor(file: string, cursor: string): string {
  const descriptor = fs.openSync(`${file}.new`, "w");
  fs.writeSync(descriptor, cursor);
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
  fs.renameSync(`${file}.new`, file);
  return cursor;
}
