/** graphql-yoga 5 on Node's own HTTP server, with its cache of parsed and validated documents, which is its default. */

import { createServer } from "node:http";

import { createSchema, createYoga } from "graphql-yoga";

import { pool } from "./database.mjs";
import { resolvers, typeDefs } from "./resolvers.mjs";

const yoga = createYoga({
  schema: createSchema({
    typeDefs,
    resolvers: {
      ...resolvers,
      Memory: { __resolveType: resolvers.Memory.resolveType },
      UserError: { __resolveType: resolvers.UserError.resolveType },
    },
  }),
  batching: { limit: 10 },
  graphiql: false,
  landingPage: false,
});

const server = createServer(yoga).listen(Number(process.env.PORT), "127.0.0.1");

process.once("SIGTERM", () => {
  server.close(() => pool.end());
  server.closeAllConnections();
});
