/** A middleware for Express: `app.use("/chat", licet(host, (request) => ..))`, then `response.locals.licet`. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { ChatExchange, type Host, refusal } from "./index.js";

type Response = ServerResponse & { locals: Record<string, unknown> };
type Next = (error?: unknown) => void;

/** `account` returns a request's account, as `host:` and the program's own id, or undefined if it needs no gate. */
export function licet<Request extends IncomingMessage>(host: Host, account: (request: Request) => string | undefined) {
  return async (request: Request, response: Response, next: Next): Promise<void> => {
    try {
      const reference = account(request);
      if (reference === undefined) return next();
      const permit = await host.gate(reference);
      if (!permit.mayWrite) {
        const { status, headers, body } = refusal(permit);
        response.writeHead(status, headers).end(body);
        return;
      }
      const exchange = new ChatExchange(host, permit);
      response.locals.licet = exchange;
      response.once("close", () => void exchange.finish()); // even if the person left
      next();
    } catch (error) {
      next(error);
    }
  };
}
