/** npm's `@alchemystai/sdk`, which still calls a session's id `memoryId`, through every call that it has. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import Alchemyst from "@alchemystai/sdk";

import { SECRET, bearer, startServer } from "./server.mjs";

const DOCUMENT = {
  documents: [{ content: "The Scale plan costs 99 euros a month." }],
  source: "web-upload",
  context_type: "resource",
  scope: "internal",
  metadata: { fileName: "pricing.md", fileType: "text/markdown", groupName: ["sales"], lastModified: "2026-01-31", fileSize: 38 },
};
const ENTRIES = `query ($id: ID!) {
  memory(type: SESSION, id: $id) { ... on SessionMemory { entries { nodes { entryId content } } } }
}`;

describe("Alchemyst's client", () => {
  let server, context, authorization;

  before(async () => {
    server = await startServer({ MNESIS_FACADES: "alchemyst", MNESIS_AUTH_SECRET: SECRET });
    authorization = bearer("acme");
    context = clientOf(authorization.replace("Bearer ", "")).v1.context;
  });
  after(async () => assert.equal(await server.stop(), 0));

  function clientOf(apiKey) {
    return new Alchemyst({ baseURL: new URL("/", server.url).href.replace(/\/$/, ""), apiKey, maxRetries: 0 });
  }

  async function entriesOf(id) {
    const response = await fetch(server.url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization },
      body: JSON.stringify({ query: ENTRIES, variables: { id } }),
    });
    return (await response.json()).data.memory?.entries.nodes.map(({ content }) => content);
  }

  it("adds, updates and deletes a session", async () => {
    await context.memory.add({ memoryId: "trip", contents: [{ content: "One.", id: "m1" }] });
    const updated = await context.memory.update({
      memoryId: "trip",
      contents: [{ content: "Uno.", id: "m1" }, { content: "Two.", id: "m2" }],
    });
    assert.ok(updated);
    assert.deepEqual(await entriesOf("trip"), ["Uno.", "Two."]);
    await context.memory.delete({ memoryId: "trip" });
    assert.equal(await entriesOf("trip"), undefined);
  });

  it("adds, views, finds and deletes documents", async () => {
    await context.add(DOCUMENT);
    const { documents } = await context.view.docs();
    assert.deepEqual(documents, [DOCUMENT.metadata]);
    const { contexts } = await context.view.retrieve();
    assert.equal(contexts[0].content, DOCUMENT.documents[0].content);
    const found = await context.search({
      query: "What does the Scale plan cost?",
      similarity_threshold: 0.8,
      minimum_similarity_threshold: 0.5,
      metadata: "true",
    });
    assert.equal(found.contexts[0].score, 1);
    assert.equal(found.contexts[0].metadata.fileName, "pricing.md");
    await assert.rejects(context.add(DOCUMENT), Alchemyst.ConflictError);
    await context.delete({ source: "web-upload", organization_id: "acme" });
    assert.deepEqual((await context.view.docs()).documents, []);
  });

  it("lists and deletes traces", async () => {
    const { traces } = await context.traces.list();
    assert.equal(traces[0].data.query, "What does the Scale plan cost?");
    const { trace } = await context.traces.delete(traces[0]._id);
    assert.equal(trace._id, traces[0]._id);
    await assert.rejects(context.traces.delete(trace._id), Alchemyst.NotFoundError);
  });

  it("gets errors of their types", async () => {
    await assert.rejects(context.memory.update({ memoryId: "nobody", contents: [] }), Alchemyst.NotFoundError);
    await assert.rejects(context.memory.update({ contents: [] }), Alchemyst.BadRequestError);
    const stranger = clientOf("nonsense").v1.context;
    await assert.rejects(stranger.memory.delete({ memoryId: "trip" }), Alchemyst.AuthenticationError);
    const reader = clientOf(bearer("acme", "memory:read").replace("Bearer ", "")).v1.context;
    await assert.rejects(reader.memory.delete({ memoryId: "trip" }), Alchemyst.PermissionDeniedError);
  });
});
