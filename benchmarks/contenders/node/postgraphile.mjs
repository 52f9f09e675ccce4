/** PostGraphile 5, its preset Amber, by grafserv on Node's own HTTP server. */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

import { pool } from "./database.mjs";

await pool.query(await readFile(new URL("postgraphile.sql", import.meta.url), "utf8"));

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  // What is generated for tables would only widen the schema: the functions write.
  schema: { defaultBehavior: "-insert -update -delete" },
  pgServices: [makePgService({ pool, schemas: ["public"] })],
  // A thousand entries are longer than its default of 100,000 characters.
  grafserv: { graphqlPath: "/graphql", watch: false, graphiql: false, maxRequestLength: 1_000_000 },
  grafast: { explain: false },
});

const server = createServer();
await instance.createServ(grafserv).addTo(server);
server.listen(Number(process.env.PORT), "127.0.0.1");

process.once("SIGTERM", () => {
  server.close(async () => {
    await instance.release();
    await pool.end();
  });
  server.closeAllConnections();
});
