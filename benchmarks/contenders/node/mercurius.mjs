/** mercurius on Fastify, which compiles an operation when it comes for the second time. */

import Fastify from "fastify";
import mercurius from "mercurius";

import { pool } from "./database.mjs";
import { resolvers, typeDefs } from "./resolvers.mjs";

const app = Fastify({ forceCloseConnections: true });

app.register(mercurius, { schema: typeDefs, resolvers, jit: 1, allowBatchedQueries: true });

await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });

process.once("SIGTERM", async () => {
  await app.close();
  await pool.end();
});
