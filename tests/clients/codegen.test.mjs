/** GraphQL Code Generator's client preset: what it generates compiles strictly, and runs in Apollo Client. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { startServer } from "./server.mjs";
import { run } from "./tools.mjs";

const FOLDER = fileURLToPath(new URL("./codegen/", import.meta.url));
const MISSING = `${FOLDER}generated/missing/`;
const MANIFEST = `${FOLDER}generated/persisted-query-manifest.json`;

before(async () => {
  await Promise.all(["generated", "compiled"].map((name) => rm(FOLDER + name, { recursive: true, force: true })));
  for (const [command, ...given] of [
    ["graphql-codegen", "--config", "codegen/codegen.mjs"],
    ["tsc", "-p", "codegen"],
    ["generate-persisted-query-manifest", "--config", "codegen/apollo-manifest.json"],
  ]) {
    const { code, said } = await run(command, ...given);
    assert.equal(code, 0, said);
  }
});

describe("the client preset", () => {
  it("tells every case of an error that is left out", async () => {
    const whole = (await readFile(`${FOLDER}errors.ts`, "utf8")).replace("./operations.js", "../../operations.js");
    const cases = [...whole.matchAll(/^    case "(\w+)":\n.*\n/gm)];
    assert.ok(cases.length >= 10);
    await mkdir(MISSING, { recursive: true });
    for (const [text, type] of cases) await writeFile(`${MISSING}${type}.ts`, whole.replace(text, ""));
    const missing = {
      extends: "../../tsconfig.json",
      compilerOptions: { noEmit: true, rootDir: "../.." },
      include: ["*.ts"],
    };
    await writeFile(`${MISSING}tsconfig.json`, JSON.stringify(missing));

    const { said } = await run("tsc", "-p", MISSING, "--pretty", "false");
    const told = [...said.matchAll(/(\w+)\.ts\(.*error TS2345: .*'ErrorParts_(\w+)_Fragment'.* 'never'/g)];
    assert.deepEqual(told.map(([, file]) => file).sort(), cases.map(([, type]) => type).sort(), said);
    for (const [, file, type] of told) assert.equal(type, file);
  });
});

describe("Apollo Client with generated documents", () => {
  let server, operations, explain, useFragment, possibleTypes;
  before(async () => {
    operations = await import("./codegen/compiled/operations.js");
    ({ explain } = await import("./codegen/compiled/errors.js"));
    ({ useFragment } = await import("./codegen/compiled/generated/index.js"));
    ({
      default: { possibleTypes },
    } = await import("./codegen/compiled/generated/possible-types.js"));
    server = await startServer();
  });
  after(async () => assert.equal(await server.stop(), 0));

  function connect(link = new HttpLink({ uri: server.url })) {
    return new ApolloClient({ link, cache: new InMemoryCache({ possibleTypes }) });
  }

  async function mutate(client, mutation, variables) {
    const { data } = await client.mutate({ mutation, variables });
    return Object.values(data)[0];
  }

  async function create(client, text) {
    const input = { longTerm: { memory: text, tags: { topic: "travel" } } };
    const created = await mutate(client, operations.CREATE, { input });
    assert.deepEqual([created.status, created.errors], ["CREATED", []]);
    return useFragment(operations.MEMORY, created.memory).id;
  }

  const patch = (text) => ({ longTerm: { memory: text } });

  it("writes, lists, finds, and reads what changed", async () => {
    const client = connect();
    const id = await create(client, "Prefers the night train.");
    const contents = [
      { id: "m1", content: "By train, please." },
      { id: "m2", content: "Noted.", role: "assistant" },
    ];
    const input = { sessionId: "trip", createSession: true, contents };
    const context = await mutate(client, operations.UPDATE_CONTEXT, { input });
    assert.deepEqual([context.updatedEntries, context.errors], [2, []]);
    assert.equal(useFragment(operations.MEMORY, context.results[1].entry).role, "assistant");
    await mutate(client, operations.UPDATE, { type: "LONG_TERM", id, input: patch("Prefers the day train.") });

    const { data: list } = await client.query({ query: operations.LIST, variables: { first: 2 } });
    assert.deepEqual([list.memories.nodes.length, list.memories.pageInfo.hasNextPage], [2, true]);
    const { data: found } = await client.query({ query: operations.SEARCH, variables: { query: "day trains" } });
    const [best] = found.searchMemories.edges;
    assert.equal(useFragment(operations.MEMORY, best.node).id, id);
    assert.ok(best.highlights[0].parts.some((part) => part.matched));

    const variables = { type: "LONG_TERM", id };
    const { data: history } = await client.query({ query: operations.HISTORY, variables });
    const [update, creation] = history.memory.history.nodes;
    assert.deepEqual([update.action, creation.action], ["UPDATE", "CREATE"]);
    assert.deepEqual(
      update.changes.map(({ field, before, after }) => [field, before, after]),
      [["memory", "Prefers the night train.", "Prefers the day train."]],
    );
    const removed = await mutate(client, operations.REMOVE, variables);
    assert.equal(removed.status, "DELETED");
    client.stop();
  });

  it("tells errors apart by their type", async () => {
    const client = connect();
    const id = await create(client, "One.");
    async function refused(variables) {
      const { errors } = await mutate(client, operations.UPDATE, { type: "LONG_TERM", id, ...variables });
      return errors.map((error) => explain(useFragment(operations.ERROR, error)));
    }
    assert.deepEqual(await refused({ input: patch("Two."), ifVersion: 5 }), [
      "Version 1 came in between as LongTermMemory.",
    ]);
    assert.deepEqual(await refused({ input: patch("Two."), id: "nowhere" }), ["It is gone."]);
    assert.deepEqual(await refused({ input: { session: { summary: "s" } } }), ["It is SESSION, not LONG_TERM."]);
    assert.deepEqual(await refused({ input: patch("Two."), type: "HISTORY" }), ["HISTORY cannot be changed."]);
    const [invalid] = await refused({ input: patch("") });
    assert.match(invalid, /^input\.longTerm\.memory: /);
    client.stop();
  });

  it("keeps the past and the present of one memory side by side in its cache", async () => {
    const client = connect();
    const id = await create(client, "First.");
    const variables = { type: "LONG_TERM", id, version: 1 };
    const now = () => client.readFragment({ id: `LongTermMemory:${id}`, fragment: operations.MEMORY });
    const past = () => client.readFragment({ id: `LongTermMemory:${id}@1`, fragment: operations.MEMORY });
    await mutate(client, operations.UPDATE, { type: "LONG_TERM", id, input: patch("Second.") });
    assert.deepEqual([now().memory, past()], ["Second.", null]);

    const seen = [];
    const watched = client.watchQuery({ query: operations.TRAVEL, variables });
    const watching = watched.subscribe(({ data, dataState }) => {
      if (dataState !== "complete") return;
      seen.push([data.now, data.past].map((each) => useFragment(operations.MEMORY, each).memory));
    });
    while (seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    await mutate(client, operations.UPDATE, { type: "LONG_TERM", id, input: patch("Third.") });
    while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    watching.unsubscribe();

    assert.deepEqual(seen, [
      ["Second.", "First."],
      ["Third.", "First."],
    ]);
    const known = [now(), past()].map(({ id, memoryId, isCurrent, version }) => [id, memoryId, isCurrent, version]);
    assert.deepEqual(known, [
      [id, id, true, 3],
      [`${id}@1`, id, false, 1],
    ]);
    client.stop();
  });

  it("hears of changes over a WebSocket, and asks over it", async () => {
    const socket = createClient({ url: server.socketUrl, webSocketImpl: WebSocket });
    const client = connect(new GraphQLWsLink(socket));
    const heard = [];
    const changes = client.subscribe({ query: operations.WATCH, variables: { filter: { types: ["LONG_TERM"] } } });
    const watching = changes.subscribe({ next: ({ data }) => heard.push(data.memoryChanged) });
    await client.query({ query: operations.LIST, variables: { first: 1 } });
    const id = await create(client, "By socket.");
    await mutate(client, operations.UPDATE, { type: "LONG_TERM", id, input: patch("By the same socket.") });
    while (heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    watching.unsubscribe();
    assert.deepEqual(
      heard.map(({ action, record }) => [action, record.id]),
      [
        ["CREATE", `${id}~1`],
        ["UPDATE", `${id}~2`],
      ],
    );
    const cached = client.readFragment({ id: `LongTermMemory:${id}`, fragment: operations.MEMORY });
    assert.deepEqual([cached.memory, cached.version], ["By the same socket.", 2]);
    client.stop();
    await socket.dispose();
  });

  /** Remembers of every request what it said of its document. */
  function counting(uri) {
    const sent = [];
    const counted = async (url, options) => {
      const { query, documentId, extensions } = JSON.parse(options.body);
      const response = await fetch(url, options);
      sent.push([query !== undefined, documentId ?? extensions?.persistedQuery?.sha256Hash, response.status]);
      return response;
    };
    return { sent, http: new HttpLink({ uri, fetch: counted }) };
  }

  it("registers documents by their hash as it goes", async () => {
    const { sent, http } = counting(server.url);
    const sha256 = (text) => createHash("sha256").update(text).digest("hex");
    const client = connect(new PersistedQueryLink({ sha256 }).concat(http));
    for (const first of [1, 2]) await client.query({ query: operations.LIST, variables: { first } });
    const [[, hash]] = sent;
    assert.match(hash, /^[0-9a-f]{64}$/);
    assert.deepEqual(
      sent.map(([whole, id]) => [whole, id]),
      [
        [false, hash],
        [true, hash],
        [false, hash],
      ],
    );
    client.stop();
  });

  it("sends the ids of a manifest, its own or the preset's, to a server that runs nothing else", async () => {
    const trusting = await startServer({
      MNESIS_TRUSTED_DOCUMENTS: `${MANIFEST},${FOLDER}generated/persisted-documents.json`,
      MNESIS_ONLY_TRUSTED_DOCUMENTS: "true",
    });
    const manifest = JSON.parse(await readFile(MANIFEST, "utf8"));
    const link = new PersistedQueryLink(
      generatePersistedQueryIdsFromManifest({ loadManifest: () => Promise.resolve(manifest) }),
    );
    const { sent, http } = counting(trusting.url);
    const client = connect(ApolloLink.from([link, http]));
    const id = await create(client, "By its id.");
    const { data } = await client.query({ query: operations.LIST });
    assert.deepEqual(
      data.memories.nodes.map((node) => useFragment(operations.MEMORY, node).id),
      [id],
    );
    const ids = ["Create", "List"].map((wanted) => manifest.operations.find(({ name }) => name === wanted).id);
    assert.deepEqual(
      sent,
      ids.map((each) => [false, each, 200]),
    );
    const post = async (body) => {
      const headers = { "content-type": "application/json" };
      const response = await fetch(trusting.url, { method: "POST", headers, body: JSON.stringify(body) });
      return response.json();
    };
    const byHash = await post({ documentId: operations.LIST.__meta__.hash });
    assert.equal(byHash.data.memories.nodes[0].id, id);
    const free = await post({ query: "{ viewer { tenant } }" });
    assert.equal(free.errors[0].extensions.code, "PERSISTED_QUERY_REQUIRED");
    client.stop();
    assert.equal(await trusting.stop(), 0);
  });
});
