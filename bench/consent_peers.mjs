// c15t's own backend on PostgreSQL, as its documents say to host it: its Kysely adapter, its migrator, its handler.
// Started by bench/consent_peers.py in the folder where it was installed: npm install @c15t/backend kysely pg
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { c15tInstance } = await load('@c15t/backend');
const { kyselyAdapter } = await load('@c15t/backend/db/adapters/kysely');
const { migrator } = await load('@c15t/backend/db/migrator');
const { DB } = await load('@c15t/backend/db/schema');
const { Kysely, PostgresDialect } = await load('kysely');
const { default: pg } = await load('pg');

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16 });
const adapter = kyselyAdapter({ db: new Kysely({ dialect: new PostgresDialect({ pool }) }), provider: 'postgresql' });
await (await migrator({ db: DB.client(adapter), schema: 'latest' })).execute();
const c15t = c15tInstance({
  appName: 'bench', basePath: '/api', trustedOrigins: ['http://localhost'], adapter, logger: { level: 'error' },
});

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const asked = new Request(`http://localhost${request.url}`, { method: request.method, headers: request.headers, body });
  const answer = await c15t.handler(asked);
  const content = Buffer.from(await answer.arrayBuffer());
  response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), 'content-length': content.length });
  response.end(content);
}).listen(Number(process.env.PORT), '127.0.0.1');
