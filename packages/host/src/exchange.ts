/** A person's message with its answer, as a middleware passes it to the program. */

import { randomUUID } from "node:crypto";
import type { GatePermit, Host, HostTurn } from "./index.js";

/** Where a turn belongs; `conversation` and `id` are the program's own ids, and a turn without one gets one. */
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

  /** Adds the person's words, or those of another `role`. */
  say(text: string, place: Place): void {
    const conversation = `host:${place.conversation.replace(/^host:/, "")}`;
    this.#turns.push({ surface: "app", role: "user", ...place, conversation, id: place.id ?? randomUUID(), text } as HostTurn);
  }

  /** Passes the assistant's words through; the passed words become the turn, even if the person leaves before the end. */
  async *answer(parts: AsyncIterable<string> | Iterable<string>, place: Place): AsyncGenerator<string, void> {
    const turn = { place: { role: "assistant" as const, ...place }, parts: [] as string[] };
    this.#open.push(turn);
    try {
      for await (const part of parts) {
        turn.parts.push(part);
        yield part;
      }
    } finally {
      this.#close(turn);
    }
  }

  /** Records the turns so far, like `Host.record`; a second call adds nothing. */
  finish(): Promise<boolean> {
    while (this.#open[0]) this.#close(this.#open[0]);
    const turns = this.#turns;
    this.#turns = [];
    return this.host.record(this.permit, turns);
  }

  #close(turn: { place: Place; parts: string[] }): void {
    const index = this.#open.indexOf(turn);
    if (index < 0) return;
    this.#open.splice(index, 1);
    if (turn.parts.length) this.say(turn.parts.join(""), turn.place);
  }
}
