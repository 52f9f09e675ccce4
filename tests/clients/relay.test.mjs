/** The Relay compiler: what it generates compiles strictly, and runs in Relay's runtime by its persisted ids. */

import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import relay from "relay-runtime";

import { startServer } from "./server.mjs";
import { run, runIn } from "./tools.mjs";

const { Environment, Network, RecordSource, Store, commitMutation, fetchQuery, getSelector } = relay;

const FOLDER = fileURLToPath(new URL("./relay/", import.meta.url));
const PERSISTED = `${FOLDER}__generated__/persisted.json`;
const require = createRequire(import.meta.url);

describe("Relay", () => {
  let server, artifact;
  before(async () => {
    await Promise.all(["__generated__", "compiled"].map((name) => rm(FOLDER + name, { recursive: true, force: true })));
    await mkdir(`${FOLDER}__generated__`);
    await writeFile(PERSISTED, "{}"); // The compiler does not begin without it.
    const compiled = await runIn("relay", "relay-compiler", "relay.config.json");
    assert.equal(compiled.code, 0, compiled.said);
    const { code, said } = await run("tsc", "-p", "relay");
    assert.equal(code, 0, said);
    artifact = (name) => require(`./relay/compiled/__generated__/${name}.graphql.js`).default;
    server = await startServer({ MNESIS_TRUSTED_DOCUMENTS: PERSISTED, MNESIS_ONLY_TRUSTED_DOCUMENTS: "true" });
  });
  after(async () => assert.equal(await server.stop(), 0));

  function connect() {
    const network = Network.create(async ({ id }, variables) => {
      const response = await fetch(server.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ documentId: id, variables }),
      });
      return response.json();
    });
    return new Environment({ network, store: new Store(new RecordSource()) });
  }

  const query = (environment, name, variables) => fetchQuery(environment, artifact(name), variables).toPromise();

  function mutate(environment, name, variables) {
    return new Promise((onCompleted, onError) => {
      commitMutation(environment, { mutation: artifact(name), variables, onCompleted, onError });
    });
  }

  /** What a component that holds a fragment's reference sees of the store. */
  function read(environment, name, reference) {
    return environment.lookup(getSelector(artifact(name), reference)).data;
  }

  async function converse(environment, sessionId, many) {
    const contents = Array.from({ length: many }, (_, number) => ({ id: `m${number}`, content: `Message ${number}.` }));
    const input = { sessionId, createSession: true, contents };
    const { updateContextMemory } = await mutate(environment, "operationsContextMutation", { input });
    assert.deepEqual([updateContextMemory.updatedEntries, updateContextMemory.errors], [many, []]);
  }

  it("reads a page, and refetches the fragment for the pages after it", async () => {
    const environment = connect();
    await converse(environment, "talk", 5);
    const { memory } = await query(environment, "operationsConversationQuery", { id: "talk" });
    const shown = () => read(environment, "operations_entries", memory.conversation).entries;
    const texts = () => shown().edges.map(({ node }) => node.content);
    assert.deepEqual(texts(), ["Message 0.", "Message 1."]);

    let pages = 1;
    for (; shown().pageInfo.hasNextPage; pages++) {
      const cursor = shown().pageInfo.endCursor;
      await query(environment, "operationsEntriesPageQuery", { id: "talk", count: 2, cursor });
    }
    assert.equal(pages, 3);
    assert.deepEqual(
      texts(),
      [0, 1, 2, 3, 4].map((number) => `Message ${number}.`),
    );
    const history = read(environment, "operations_history", memory).history;
    assert.deepEqual(
      history.edges.map(({ node }) => node.action),
      ["CREATE"],
    );
  });

  it("refetches a memory as it was beside the one that it is", async () => {
    const environment = connect();
    await converse(environment, "plan", 1);
    for (const summary of ["First.", "Second."]) {
      const variables = { type: "SESSION", id: "plan", input: { session: { summary } } };
      const { updateMemory } = await mutate(environment, "operationsUpdateMutation", variables);
      assert.deepEqual([updateMemory.status, updateMemory.errors], ["UPDATED", []]);
    }
    const shown = [];
    for (const id of ["plan", "plan@2"]) {
      const { node } = await query(environment, "operationsMemoryRefetchQuery", { id });
      shown.push(node);
    }
    assert.deepEqual(
      shown.map((node) => read(environment, "operations_memory", node)),
      [
        {
          id: "plan",
          memoryId: "plan",
          isCurrent: true,
          version: 3,
          container: { name: "default" },
          summary: "Second.",
        },
        {
          id: "plan@2",
          memoryId: "plan",
          isCurrent: false,
          version: 2,
          container: { name: "default" },
          summary: "First.",
        },
      ],
    );
  });

  it("is told of a conflict as data", async () => {
    const environment = connect();
    await converse(environment, "contested", 1);
    const variables = { type: "SESSION", id: "contested", input: { session: { pinned: true } }, ifVersion: 7 };
    const { updateMemory } = await mutate(environment, "operationsUpdateMutation", variables);
    const [{ message: _, ...conflict }] = updateMemory.errors;
    assert.deepEqual(
      [updateMemory.status, conflict],
      ["FAILED", { __typename: "VersionConflictError", actualVersion: 1 }],
    );
  });

  it("throws where an error stands in the place of what is never null", async () => {
    const environment = connect();
    await assert.rejects(
      query(environment, "operationsListQuery", { first: 1, after: "x" }),
      /Unexpected response payload/,
    );
    const { memories, viewer } = await query(environment, "operationsListQuery", { first: 1 });
    assert.deepEqual([memories.edges.length, viewer.tenant], [1, "default"]);
  });
});
