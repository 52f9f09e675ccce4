/** OpenSearch's own client, against the façade that speaks its dialect. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Client, errors } from "@opensearch-project/opensearch";

import { SECRET, bearer, startServer } from "./server.mjs";

const MESSAGES = [{ role: "user", content: [{ type: "text", text: "Hello" }] }];

describe("@opensearch-project/opensearch", () => {
  let server;
  let client;

  before(async () => {
    server = await startServer({ MNESIS_AUTH_SECRET: SECRET, MNESIS_FACADES: "opensearch" });
    const password = bearer("acme", "memory:admin").replace("Bearer ", "");
    client = new Client({ node: new URL(server.url).origin, auth: { username: "admin", password } });
  });
  after(async () => {
    await client.close();
    assert.equal(await server.stop(), 0);
  });

  async function refusal(call) {
    try {
      await call;
    } catch (error) {
      assert.ok(error instanceof errors.ResponseError);
      return [error.statusCode, error.body.error.type, error.body.error.reason];
    }
    return assert.fail("It was not refused.");
  }

  it("learns the version", async () => {
    assert.equal((await client.ping()).statusCode, 200);
    assert.equal((await client.info()).body.version.distribution, "opensearch");
  });

  it("keeps containers", async () => {
    const id = { memory_container_id: "kept" };
    const { body } = await client.ml.createMemoryContainer({ body: { name: "n", ...id } });
    assert.deepEqual(body, { ...id, status: "created" });
    assert.equal((await client.ml.updateMemoryContainer({ ...id, body: { name: "m" } })).body._version, 2);
    assert.equal((await client.ml.getMemoryContainer(id)).body.name, "m");
    assert.equal((await client.ml.deleteMemoryContainer(id)).body.result, "deleted");
    const told = "Failed to find memory container with the provided memory container id: kept";
    assert.deepEqual(await refusal(client.ml.getMemoryContainer(id)), [404, "status_exception", told]);
  });

  it("adds, updates, reads and deletes memories", async () => {
    const container = { memory_container_id: "box" };
    await client.ml.createMemoryContainer({ body: { name: "n", ...container } });
    const session = await client.ml.createMemoryContainerSession({ ...container, body: { session_id: "s1" } });
    assert.deepEqual(session.body, { session_id: "s1", status: "created" });
    const added = await client.ml.addAgenticMemory({
      ...container,
      body: { messages: MESSAGES, namespace: { session_id: "s1" } },
    });
    const place = { ...container, type: "working", id: added.body.working_memory_id };
    const updated = await client.ml.updateAgenticMemory({ ...place, body: { tags: { topic: "new" } } });
    assert.deepEqual([updated.body.result, updated.body._version], ["updated", 2]);
    const { body } = await client.ml.getAgenticMemory(place);
    assert.deepEqual([body.tags, body.messages], [{ topic: "new" }, MESSAGES]);
    assert.equal((await client.ml.deleteAgenticMemory(place)).body.result, "deleted");
    assert.deepEqual(await refusal(client.ml.getAgenticMemory(place)), [404, "status_exception", "Memory not found"]);
  });

  it("searches, and deletes what a query finds", async () => {
    const container = { memory_container_id: "found" };
    await client.ml.createMemoryContainer({ body: { name: "findable", ...container } });
    for (const [topic, said] of [["tea", "green"], ["tea", "black"], ["coffee", "none"]]) {
      const body = { payload_type: "data", structured_data: { said }, tags: { topic } };
      await client.ml.addAgenticMemory({ ...container, body });
    }
    const place = { ...container, type: "working" };
    const about = { query: { term: { "tags.topic": "tea" } } };
    const { body: found } = await client.ml.searchAgenticMemory({ ...place, body: { ...about, size: 10 } });
    assert.equal(found.hits.total.value, 2);
    assert.deepEqual(found.hits.hits.map((hit) => hit._source.structured_data.said).sort(), ["black", "green"]);
    const { body: containers } = await client.ml.searchMemoryContainer({ body: { query: { match: { name: "findable" } } } });
    assert.deepEqual(containers.hits.hits.map((hit) => hit._id), ["found"]);
    const { body: deletion } = await client.ml.deleteAgenticMemoryQuery({ ...place, body: about });
    assert.deepEqual([deletion.deleted, deletion.failures], [2, []]);
    const { body: left } = await client.ml.searchAgenticMemory({ ...place, body: { query: { match_all: {} } } });
    assert.equal(left.hits.total.value, 1);
    const [status, type] = await refusal(client.ml.searchAgenticMemory({ ...place, body: { query: { fuzzy: {} } } }));
    assert.deepEqual([status, type], [400, "parsing_exception"]);
    const path = "/_plugins/_ml/memory_containers/found/memories/long-term/_semantic_search";
    const [refused] = await refusal(client.transport.request({ method: "POST", path, body: { query: "tea" } }));
    assert.equal(refused, 400);
  });

  it("is told that history stays as it is", async () => {
    const place = { memory_container_id: "default", type: "history", id: "x" };
    const told = await refusal(client.ml.updateAgenticMemory({ ...place, body: { a: 1 } }));
    assert.deepEqual(told, [404, "status_exception", "Can't update memory history"]);
  });
});
