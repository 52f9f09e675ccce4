/** The guides in docs/clients, each run as the module that its blocks make together. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import relayCompiler from "relay-compiler";
import WebSocket from "ws";

import { SECRET, bearer, create, startServer } from "./server.mjs";

// Browsers have one of their own, Node.js from version 22 on.
globalThis.WebSocket = WebSocket;

const GUIDES = ["urql", "apollo", "relay"];
const DOCS = new URL("../../docs/clients/", import.meta.url);
// Beside node_modules, so that what a guide imports is found.
const BUILT = new URL("./guides/", import.meta.url);

/** The code of all blocks of one language. */
async function code(guide, language = "js") {
  const page = await readFile(new URL(`${guide}.md`, DOCS), "utf8");
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter((found) => found[1] === language).map((found) => found[2]);
}

/** A way to the server that can be cut, as networks are. */
async function wire(url) {
  const open = new Set();
  const listening = createServer((near) => {
    const far = connect(Number(new URL(url).port), new URL(url).hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      open.add(from);
      from.on("error", () => to.destroy()).on("close", () => to.destroy() && open.delete(from));
      from.pipe(to);
    }
  });
  await new Promise((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const cut = () => open.forEach((each) => each.destroy());
  return {
    url: `http://127.0.0.1:${listening.address().port}/graphql`,
    cut,
    close() {
      cut();
      listening.close();
    },
  };
}

/** Writes a guide's module to where its build and Node.js find it, with what the build makes of it. */
async function build(guide) {
  const folder = new URL(`${guide}/src/`, BUILT);
  await rm(new URL("..", folder), { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(new URL("../package.json", folder), '{ "type": "module" }');
  const file = new URL("memories.js", folder);
  await writeFile(file, (await code(guide)).join("\n"));
  if (guide === "relay") await compile(file);
  return { file, manifest: guide === "relay" ? fileURLToPath(new URL("../persisted.json", folder)) : "" };
}

/** What `npx relay-compiler` and the plugin for Babel do together: each document becomes what was compiled of it. */
async function compile(file) {
  const root = new URL("..", file);
  await writeFile(new URL("relay.config.json", root), (await code("relay", "json"))[0]);
  await copyFile(new URL("../../schema.graphql", import.meta.url), new URL("schema.graphql", root));
  await writeFile(new URL("persisted.json", root), "{}");
  execFileSync(relayCompiler, ["./relay.config.json"], { cwd: fileURLToPath(root), stdio: "pipe" });
  const imports = [];
  const replaced = (await readFile(file, "utf8")).replaceAll(/graphql`\s*\w+ (\w+)[^`]*`/g, (_, name) => {
    imports.push(`import ${name} from "./__generated__/${name}.graphql.js";\n`);
    return name;
  });
  await writeFile(file, imports.join("") + replaced);
}

async function load(file, url) {
  const source = await readFile(file, "utf8");
  const address = "http://127.0.0.1:8000/graphql";
  assert.equal(source.split(address).length, 2, "A guide names the server once.");
  await writeFile(file, source.replace(address, url));
  return import(file);
}

/** The bodies of requests that guides send, while they go out as they are. */
const sent = [];
const fetching = globalThis.fetch;
globalThis.fetch = (url, options) => {
  if (options?.body) sent.push(JSON.parse(options.body));
  return fetching(url, options);
};

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

for (const guide of GUIDES) {
  describe(`The guide for ${guide}`, { timeout: 100_000 }, () => {
    let server, way, told, token;
    const write = (text) => create(server, text, { authorization: token });

    before(async () => {
      const { file, manifest } = await build(guide);
      server = await startServer({ MNESIS_AUTH_SECRET: SECRET, MNESIS_TRUSTED_DOCUMENTS: manifest });
      way = await wire(server.url);
      token = bearer("acme");
      globalThis.mnesisToken = token.replace("Bearer ", "");
      told = await load(file, way.url);
    });
    after(async () => {
      way.close();
      assert.equal(await server.stop(), 0);
    });

    it("finds memories", async () => {
      const ids = [];
      for (const text of ["One.", "Two.", "Three."]) ids.unshift(await write(text));
      sent.length = 0;
      const found = await told.recent(3);
      assert.deepEqual(
        found.map((each) => each.id),
        ids,
      );
      assert.equal(found[0].memory, "Three.");
      const [latest] = await told.recent(1);
      assert.equal(latest.id, ids[0]);
      const texts = sent.flat().filter(({ query }) => query);
      assert.equal(texts.length, guide === "relay" ? 0 : 1, "A document goes out as text once at most.");
    });

    it("changes a memory and tells errors apart", async () => {
      const id = await write("Bob.");
      const changed = await told.correct(id, "Bob Smith.");
      assert.deepEqual([changed.id, changed.version, changed.memory], [id, 2, "Bob Smith."]);
      assert.equal(await told.correct("nobody", "Nothing."), null);
      await assert.rejects(told.correct(id, ""), { name: "RangeError", message: /^input\.longTerm\.memory: / });
    });

    it("says why a request was refused", async () => {
      const code = (error) => (error.graphQLErrors ?? error.errors)[0].extensions.code;
      await assert.rejects(told.recent(-1), (error) => code(error) === "BAD_USER_INPUT");
      const valid = globalThis.mnesisToken;
      globalThis.mnesisToken = "no token";
      try {
        await assert.rejects(told.recent(1), (error) =>
          guide === "apollo" ? error.statusCode === 401 : code(error) === "UNAUTHENTICATED",
        );
      } finally {
        globalThis.mnesisToken = valid;
      }
    });

    it("tries again with what another writer left", async () => {
      const id = await write("Seen once.");
      const seen = [];
      const change = async ({ version, memory }) => {
        seen.push(version);
        if (seen.length === 1) await told.correct(id, "Seen by another.");
        return { memory: `${memory} And by me.` };
      };
      assert.equal((await told.edit(id, change)).memory, "Seen by another. And by me.");
      assert.deepEqual(seen, [1, 2]);
      assert.equal(await told.edit("nobody", change), null);
      await assert.rejects(told.edit(id, () => ({ memory: "" })), Error);
    });

    it("sends several operations in one request", { skip: guide !== "apollo" && "this client sends no lists of operations" }, async () => {
      const [one, other] = [await write("One."), await write("Two.")];
      await told.correct(one, "One?");
      sent.length = 0;
      const statuses = await told.correctAll({ [one]: "One!", nobody: "Gone.", [other]: "Two." });
      assert.deepEqual(statuses, ["UPDATED", "FAILED", "UNCHANGED"]);
      assert.deepEqual(
        sent.map((each) => each.length),
        [3],
      );
    });

    it("goes on after a lost connection, and after a cursor, without gap or repeat", async () => {
      const heard = [];
      let last;
      const hear = (change) => {
        heard.push(change.memory.id);
        last = change.cursor;
      };
      const end = told.watch(hear, assert.fail);
      const written = [];
      // Nothing says when a subscription stands, but that changes are heard.
      while (heard.length === 0) {
        written.push(await write("Before."));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await until(() => heard.at(-1) === written.at(-1));
      const missed = written.length - heard.length;
      way.cut();
      for (const text of ["One.", "Two.", "Three."]) written.push(await write(text));
      await until(() => heard.at(-1) === written.at(-1));
      end();
      for (const text of ["Four.", "Five."]) written.push(await write(text));
      const endAgain = told.watch(hear, assert.fail, last);
      await until(() => heard.at(-1) === written.at(-1));
      endAgain();
      assert.deepEqual(heard, written.slice(missed));
    });

    it("is told that its token does not hold", async () => {
      const valid = globalThis.mnesisToken;
      globalThis.mnesisToken = "no token";
      try {
        await new Promise((resolve) => told.watch(assert.fail, resolve));
      } finally {
        globalThis.mnesisToken = valid;
      }
    });

    it("is told that a cursor does not hold", async () => {
      const error = await new Promise((resolve) => told.watch(assert.fail, resolve, "x"));
      assert.match(JSON.stringify(error), /CURSOR_INVALID/);
    });
  });
}

describe("What the guides install", () => {
  it("is what they were tested with", async () => {
    const { devDependencies } = JSON.parse(await readFile(new URL("./package.json", import.meta.url), "utf8"));
    for (const guide of GUIDES) {
      const installed = (await code(guide, "sh")).flatMap((each) => [...each.matchAll(/^npm install (.*)$/gm)]);
      assert.notEqual(installed.length, 0);
      for (const [, names] of installed) {
        for (const name of names.split(" ").filter((each) => !each.startsWith("-"))) {
          assert.ok(name in devDependencies, `${name} of the guide for ${guide}`);
        }
      }
    }
  });
});
