/** urql, which names text/event-stream with every request and reads the answers to queries as JSON. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Client, fetchExchange } from "urql";

import { CREATE, WATCH, create, startServer } from "./server.mjs";

const RESPONSE_JSON = "application/graphql-response+json; charset=utf-8";

function connect(server, options = {}) {
  const answers = [];
  const counted = async (...given) => {
    const response = await fetch(...given);
    answers.push([given[1].method, response.status, response.headers.get("content-type")]);
    return response;
  };
  const client = new Client({
    url: server.url,
    exchanges: [fetchExchange],
    fetch: counted,
    fetchSubscriptions: true,
    preferGetMethod: false,
    ...options,
  });
  return { client, answers };
}

describe("urql", () => {
  let server;
  before(async () => (server = await startServer()));
  after(async () => assert.equal(await server.stop(), 0));

  it("queries by POST", async () => {
    const { client, answers } = connect(server);
    const { data, error } = await client.query("query Q($id: ID!) { node(id: $id) { id } }", { id: "default" });
    assert.deepEqual([data, error], [{ node: { id: "default" } }, undefined]);
    assert.deepEqual(answers, [["POST", 200, RESPONSE_JSON]]);
  });

  it("queries by GET", async () => {
    const { client, answers } = connect(server, { preferGetMethod: "force" });
    const { data, error } = await client.query("query Q($id: ID!) { node(id: $id) { id } }", { id: "default" });
    assert.deepEqual([data, error], [{ node: { id: "default" } }, undefined]);
    assert.deepEqual(answers, [["GET", 200, RESPONSE_JSON]]);
  });

  it("mutates", async () => {
    const { client, answers } = connect(server);
    const { data, error } = await client.mutation(CREATE, { text: "By urql." });
    assert.equal(error, undefined);
    assert.equal(data.createMemory.status, "CREATED");
    assert.deepEqual(answers, [["POST", 200, RESPONSE_JSON]]);
  });

  it("reads the errors of a request and of a part of an answer", async () => {
    const { client, answers } = connect(server);
    const refused = await client.query("{ nothing }", {});
    assert.equal(refused.error.graphQLErrors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
    const partly = '{ node(id: "default") { id } search: searchMemories(query: "x", first: -1) { edges { score } } }';
    const part = await client.query(partly, {});
    assert.equal(part.data.node.id, "default");
    assert.equal(part.error.graphQLErrors[0].path[0], "search");
    assert.deepEqual(
      answers.map(([, status]) => status),
      [400, 200],
    );
  });

  it("subscribes by fetch", async () => {
    const { client, answers } = connect(server);
    const heard = [];
    let told;
    const { unsubscribe } = client.subscription(WATCH, {}).subscribe((result) => {
      heard.push(result);
      told?.();
    });
    while (answers.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const written = [];
    for (const text of ["One.", "Two.", "Three."]) written.push(await create(server, text));
    while (heard.length < 3) await new Promise((resolve) => (told = resolve));
    unsubscribe();
    assert.deepEqual(
      heard.map((each) => each.error),
      [undefined, undefined, undefined],
    );
    assert.deepEqual(
      heard.map((each) => each.data.memoryChanged.record.subjectId),
      written,
    );
    assert.deepEqual(answers, [["POST", 200, "text/event-stream; charset=utf-8"]]);
  });

  it("hears why a subscription was refused", async () => {
    const { client } = connect(server);
    const query = 'subscription { memoryChanged(after: "x") { cursor } }';
    const { error } = await client.subscription(query, {}).toPromise();
    assert.equal(error.graphQLErrors[0].extensions.code, "CURSOR_INVALID");
  });
});
