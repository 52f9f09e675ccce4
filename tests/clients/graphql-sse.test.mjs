/** graphql-sse, the client of GraphQL over Server-Sent Events, in its mode of distinct connections. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { createClient } from "graphql-sse";

import { CREATE, SECRET, WATCH, bearer, create, startServer } from "./server.mjs";

function connect(server, options = {}) {
  const types = [];
  const fetchFn = async (...given) => {
    const response = await fetch(...given);
    types.push(`${response.status} ${response.headers.get("content-type")}`);
    return response;
  };
  return { client: createClient({ url: server.url, retryAttempts: 0, fetchFn, ...options }), types };
}

async function ask(client, query, variables) {
  const answers = [];
  for await (const answer of client.iterate({ query, variables })) answers.push(answer);
  assert.equal(answers.length, 1);
  return answers[0];
}

/** Begins a subscription, which stands when its response has begun. */
async function watch({ client, types }, query = WATCH) {
  const begun = types.length;
  const changes = client.iterate({ query });
  let next = changes.next();
  next.catch(() => {});
  while (types.length === begun) await new Promise((resolve) => setTimeout(resolve, 5));
  return {
    async change() {
      const { value } = await next;
      next = changes.next();
      next.catch(() => {});
      return value.data.memoryChanged;
    },
    end: () => changes.return(),
  };
}

describe("graphql-sse", () => {
  let server;
  before(async () => (server = await startServer()));
  after(async () => assert.equal(await server.stop(), 0));

  it("runs queries and mutations as streams of one event", async () => {
    const { client, types } = connect(server);
    assert.deepEqual(await ask(client, "{ __typename }"), { data: { __typename: "Query" } });
    const { data } = await ask(client, CREATE, { text: "By events." });
    assert.equal(data.createMemory.status, "CREATED");
    assert.deepEqual(types, Array(2).fill("200 text/event-stream; charset=utf-8"));
    client.dispose();
  });

  it("is told of every change, and ends a subscription without the others", async () => {
    const connection = connect(server);
    const [one, other] = [await watch(connection), await watch(connection)];
    const id = await create(server, "First.");
    for (const each of [one, other]) {
      assert.deepEqual((await each.change()).record, { subjectId: id, version: 1 });
    }
    await one.end();
    const next = await create(server, "Second.");
    assert.equal((await other.change()).record.subjectId, next);
    connection.client.dispose();
  });

  for (const [query, code] of [
    ["{", "GRAPHQL_PARSE_FAILED"],
    ["subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"],
    ['subscription { memoryChanged(after: "x") { cursor } }', "CURSOR_INVALID"],
  ]) {
    it(`is told ${code} as an event`, async () => {
      const { client } = connect(server);
      const answer = await ask(client, query);
      assert.deepEqual(Object.keys(answer), ["errors"]);
      assert.equal(answer.errors[0].extensions.code, code);
      client.dispose();
    });
  }

  it("is not served over a single connection", async () => {
    const { client, types } = connect(server, { singleConnection: true });
    await assert.rejects(ask(client, "{ __typename }"));
    assert.equal(types[0], "405 application/json; charset=utf-8");
    client.dispose();
  });
});

describe("graphql-sse with a token", () => {
  let server;
  before(async () => (server = await startServer({ MNESIS_AUTH_SECRET: SECRET })));
  after(async () => assert.equal(await server.stop(), 0));

  it("hears of its own tenant alone", async () => {
    const token = bearer("acme");
    const connection = connect(server, { headers: { authorization: token } });
    const standing = await watch(connection);
    await create(server, "Of others.", { authorization: bearer("other") });
    const id = await create(server, "Ours.", { authorization: token });
    assert.equal((await standing.change()).record.subjectId, id);
    connection.client.dispose();
  });

  it("is refused without one", async () => {
    const { client, types } = connect(server);
    await assert.rejects(ask(client, "{ __typename }"));
    assert.equal(types[0], "401 application/json");
    client.dispose();
  });
});
