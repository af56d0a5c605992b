/** A middleware for Hono: `app.use("/chat", licet(host, (context) => ..))`, then `context.get("licet")`. */

import { ChatExchange, type Host, refusal } from "./index.js";

interface Context {
  res: Response;
  set(name: "licet", exchange: ChatExchange): void;
}

/** `account` returns a request's account, as `host:` and the program's own id, or undefined if it needs no gate. */
export function licet<C extends Context>(host: Host, account: (context: C) => string | undefined) {
  return async (context: C, next: () => Promise<void>): Promise<Response | void> => {
    const reference = account(context);
    if (reference === undefined) return next();
    const permit = await host.gate(reference);
    if (!permit.mayWrite) {
      const { status, headers, body } = refusal(permit);
      return new Response(body, { status, headers });
    }
    const exchange = new ChatExchange(host, permit);
    context.set("licet", exchange);
    await next();
    const { body } = context.res;
    if (!body) return void exchange.finish();
    context.res = new Response(recordAtEnd(body, exchange), context.res);
  };
}

/** Passes the body through; records the exchange at its end, or when the person leaves. */
function recordAtEnd(body: ReadableStream<Uint8Array>, exchange: ChatExchange): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      await exchange.finish();
    },
    async cancel(reason) {
      await exchange.finish();
      await reader.cancel(reason);
    },
  });
}
