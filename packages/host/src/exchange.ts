/** One message of a person and what was answered: what a middleware hands to the program. */

import { randomUUID } from "node:crypto";
import type { GatePermit, Host, HostTurn } from "./index.js";

/** Where a turn belongs; `conversation` and `id` are the program's own, and a turn without an id is given one. */
export interface Place extends Partial<HostTurn> {
  conversation: string;
}

export class ChatExchange {
  readonly host: Host;
  readonly permit: GatePermit;
  #turns: HostTurn[] = [];
  #open: { place: Place; parts: string[] }[] = [];

  constructor(host: Host, permit: GatePermit) {
    this.host = host;
    this.permit = permit;
  }

  /** The person's words, or with `role` another's. */
  say(text: string, place: Place): void {
    const conversation = `host:${place.conversation.replace(/^host:/, "")}`;
    this.#turns.push({ surface: "app", role: "user", ...place, conversation, id: place.id ?? randomUUID(), text } as HostTurn);
  }

  /** Passes the assistant's words on as they come; what was passed on is the turn, also if the person left before the end. */
  async *answer(parts: AsyncIterable<string> | Iterable<string>, place: Place): AsyncGenerator<string, void> {
    const one = { place: { role: "assistant" as const, ...place }, parts: [] as string[] };
    this.#open.push(one);
    try {
      for await (const part of parts) {
        one.parts.push(part);
        yield part;
      }
    } finally {
      this.#close(one);
    }
  }

  /** Records the turns so far, as `Host.record` does; a second call adds nothing. */
  finish(): Promise<boolean> {
    while (this.#open[0]) this.#close(this.#open[0]);
    const turns = this.#turns;
    this.#turns = [];
    return this.host.record(this.permit, turns);
  }

  #close(one: { place: Place; parts: string[] }): void {
    const at = this.#open.indexOf(one);
    if (at < 0) return;
    this.#open.splice(at, 1);
    if (one.parts.length) this.say(one.parts.join(""), one.place);
  }
}
