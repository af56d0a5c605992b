/** A middleware for Hono: `app.use("/chat", licet(host, (context) => ..))`, and then `context.get("licet")`. */

import { ChatExchange, type Host, refusal } from "./index.js";

interface Context {
  res: Response;
  set(name: "licet", exchange: ChatExchange): void;
}

/** `account` names the account of a request, as `host:` and the program's own id, or undefined if it needs no gate. */
export function licet<C extends Context>(host: Host, account: (context: C) => string | undefined) {
  return async (context: C, next: () => Promise<void>): Promise<Response | void> => {
    const named = account(context);
    if (named === undefined) return next();
    const permit = await host.gate(named);
    if (!permit.mayWrite) {
      const { status, headers, body } = refusal(permit);
      return new Response(body, { status, headers });
    }
    const exchange = new ChatExchange(host, permit);
    context.set("licet", exchange);
    await next();
    const { body } = context.res;
    if (!body) return void exchange.finish();
    context.res = new Response(finishing(body, exchange), context.res);
  };
}

/** The same bytes; at their end, or when the person leaves, the exchange is recorded. */
function finishing(body: ReadableStream<Uint8Array>, exchange: ChatExchange): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(into) {
      try {
        const { done, value } = await reader.read();
        if (!done) return into.enqueue(value);
        into.close();
      } catch (error) {
        into.error(error);
      }
      await exchange.finish();
    },
    async cancel(reason) {
      await exchange.finish();
      await reader.cancel(reason);
    },
  });
}
