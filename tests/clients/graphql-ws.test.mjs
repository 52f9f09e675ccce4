/** graphql-ws, the client of the graphql-transport-ws protocol. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { CREATE, SECRET, WATCH, bearer, create, startServer } from "./server.mjs";

/** A client, and how often it had to connect. */
function connect(server, options = {}) {
  const seen = { connected: 0, closed: [] };
  const client = createClient({
    url: server.socketUrl,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    on: {
      connected: () => seen.connected++,
      closed: (event) => seen.closed.push(event.code),
    },
    ...options,
  });
  return { client, seen };
}

async function ask(client, query, variables) {
  const answers = [];
  for await (const answer of client.iterate({ query, variables })) answers.push(answer);
  assert.equal(answers.length, 1);
  return answers[0];
}

/** Begins a subscription. It stands when the socket has answered what was sent after it. */
async function watch(client, query = WATCH) {
  const changes = client.iterate({ query });
  const first = changes.next();
  first.catch(() => {});
  await ask(client, "{ __typename }");
  let next = first;
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

describe("graphql-ws", () => {
  let server;
  before(async () => (server = await startServer({ MNESIS_LIMIT_SOCKET_OPERATIONS: "3" })));
  after(async () => assert.equal(await server.stop(), 0));

  it("runs queries and mutations", async () => {
    const { client } = connect(server);
    assert.deepEqual(await ask(client, "{ __typename }"), { data: { __typename: "Query" } });
    const { data } = await ask(client, CREATE, { text: "By socket." });
    assert.equal(data.createMemory.status, "CREATED");
    await client.dispose();
  });

  it("is told of every change, and ends a subscription without the others", async () => {
    const { client, seen } = connect(server);
    const [one, other] = [await watch(client), await watch(client)];
    const id = await create(server, "First.");
    for (const each of [one, other]) {
      const { cursor, ...change } = await each.change();
      assert.equal(typeof cursor, "string");
      assert.deepEqual(change, { action: "CREATE", record: { subjectId: id, version: 1 }, memory: { id } });
    }
    await one.end();
    const next = await create(server, "Second.");
    assert.equal((await other.change()).record.subjectId, next);
    await other.end();
    assert.deepEqual(seen, { connected: 1, closed: [] });
    await client.dispose();
  });

  const BAD = [
    ["cannot be parsed", { query: "{" }, "GRAPHQL_PARSE_FAILED"],
    ["is not valid", { query: "{ nothing }" }, "GRAPHQL_VALIDATION_FAILED"],
    ["names no operation", { query: "{ __typename }", operationName: "Other" }, "BAD_USER_INPUT"],
    ["names none of several", { query: "query A { __typename } query B { __typename }" }, "BAD_USER_INPUT"],
    ["lacks a variable", { query: "query ($id: ID!) { node(id: $id) { id } }" }, "BAD_USER_INPUT"],
    ["has a bad cursor", { query: 'subscription { memoryChanged(after: "x") { cursor } }' }, "CURSOR_INVALID"],
  ];
  it("hears what is wrong with an operation on that operation alone", async () => {
    const { client, seen } = connect(server);
    const standing = await watch(client);
    for (const [name, operation, code] of BAD) {
      await assert.rejects(
        async () => {
          for await (const _ of client.iterate(operation)) assert.fail(name);
        },
        (errors) => {
          assert.equal(errors[0].extensions.code, code, name);
          return true;
        },
      );
    }
    const id = await create(server, "Still told.");
    assert.equal((await standing.change()).record.subjectId, id);
    assert.deepEqual(seen, { connected: 1, closed: [] });
    await client.dispose();
  });

  it("may run so many operations at once, and more when one has ended", async () => {
    const { client, seen } = connect(server);
    const standing = [await watch(client), await watch(client)];
    const third = client.iterate({ query: WATCH });
    const waiting = third.next();
    waiting.catch(() => {});
    await assert.rejects(ask(client, "{ __typename }"), (errors) => {
      assert.deepEqual(errors[0].extensions, { code: "LIMIT_EXCEEDED", limit: 3 });
      return true;
    });
    await standing[0].end();
    assert.deepEqual(await ask(client, "{ __typename }"), { data: { __typename: "Query" } });
    assert.deepEqual(seen, { connected: 1, closed: [] });
    await client.dispose();
  });

  it("pings and is answered", async () => {
    let pongs = 0;
    const { client } = connect(server, { lazy: false, keepAlive: 20, on: { pong: (received) => received && pongs++ } });
    while (pongs < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    await client.dispose();
  });

  it("is not served in the legacy protocol", async () => {
    const socket = new WebSocket(server.socketUrl, "graphql-ws");
    const [error] = await once(socket, "error");
    assert.equal(error.message, "Server sent no subprotocol");
  });

  const MALFORMED = ["", "{", "[]", "null", "1", '"ping"', "{}", '{"type": 1}', '{"type": "start", "id": "1"}'];
  const SUBSCRIBE = [
    '{"type": "subscribe"}',
    '{"type": "subscribe", "id": {}, "payload": {"query": "{ __typename }"}}',
    '{"type": "subscribe", "id": "1", "payload": null}',
    '{"type": "subscribe", "id": "1", "payload": []}',
    '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": {"a": NaN}}}',
    `{"type": "ping", "payload": {"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
  ];
  for (const message of [...MALFORMED, ...SUBSCRIBE]) {
    it(`is closed with 4400 after ${message.slice(0, 80)}`, async () => {
      const socket = new WebSocket(server.socketUrl, "graphql-transport-ws");
      await once(socket, "open");
      socket.send('{"type": "connection_init"}');
      await once(socket, "message");
      socket.send(message);
      const [code] = await once(socket, "close");
      assert.equal(code, 4400);
    });
  }
});

describe("graphql-ws with a token", () => {
  let server, token;
  before(async () => {
    server = await startServer({ MNESIS_AUTH_SECRET: SECRET });
    token = bearer("acme");
  });
  after(async () => assert.equal(await server.stop(), 0));

  const VIEWER = "{ viewer { tenant subject } }";
  const ANSWER = { data: { viewer: { tenant: "acme", subject: "somebody" } } };

  it("is known by the payload of connection_init", async () => {
    const { client } = connect(server, { connectionParams: { authorization: token } });
    assert.deepEqual(await ask(client, VIEWER), ANSWER);
    await client.dispose();
  });

  it("is known by the header", async () => {
    class WithHeader extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols, { headers: { Authorization: token } });
      }
    }
    const { client } = connect(server, { webSocketImpl: WithHeader });
    assert.deepEqual(await ask(client, VIEWER), ANSWER);
    await client.dispose();
  });

  it("hears of its own tenant alone", async () => {
    const { client } = connect(server, { connectionParams: { authorization: token } });
    const standing = await watch(client);
    await create(server, "Of others.", { authorization: bearer("other") });
    const id = await create(server, "Ours.", { authorization: token });
    assert.equal((await standing.change()).record.subjectId, id);
    await client.dispose();
  });

  for (const [name, params] of [
    ["without one", {}],
    ["with a false one", { authorization: "Bearer x" }],
  ]) {
    it(`is refused ${name}`, async () => {
      const { client } = connect(server, { connectionParams: params });
      await assert.rejects(ask(client, VIEWER), (close) => {
        assert.equal(close.code, 4403);
        return true;
      });
    });
  }
});
