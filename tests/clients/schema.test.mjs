/** `schema.graphql` by the rules of graphql-eslint, and against what was released last. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import plugin from "@graphql-eslint/eslint-plugin";
import { ESLint } from "eslint";
import { buildSchema, isInterfaceType } from "graphql";

import { complaints } from "./released.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCHEMA = `${ROOT}schema.graphql`;

const RULES = {
  ...plugin.configs["flat/schema-recommended"].rules,
  ...plugin.configs["flat/schema-relay"].rules,
  // What has an identity implements Node, and GraphQL itself then insists on `id: ID!`. Payloads, errors, edges and
  // counts have none, and a made-up one would only fill the caches of clients.
  "@graphql-eslint/strict-id-in-types": "off",
  // `nodes` beside `edges`, as GitHub has it, spares a client that needs no cursors; and lists of plain values, such as
  // `errors` and `messages`, are no connections.
  "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
  // History and search are read from their beginning only: the newest change, the best answer.
  "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
};

/** What a rule may say, since the rule as a whole is worth keeping. */
const EXCEPTIONS = {
  // It is GraphQL's own; Strawberry prints its definition for tools older than the specification of 2025.
  'Description is required for directive "oneOf"': "@graphql-eslint/require-description",
  // Not the id of the object itself: that of the live memory, of one that is shown as it was.
  'Field "memoryId" starts with the name of the parent type "Memory"': "@graphql-eslint/no-typename-prefix",
};

/** Fields of one name and two types: who selects both under the interface gives one of them an alias. */
const ALIASED = new Set([
  // Of MemoryTypeMismatchError a type, of LimitExceededError a number.
  "UserError: actual",
  // Null for a default container that nothing was written to yet; a memory always has one.
  "Node: createdAt",
  "Node: updatedAt",
]);

async function lint(text) {
  const eslint = new ESLint({
    cwd: ROOT,
    overrideConfigFile: true,
    overrideConfig: {
      files: ["*.graphql"],
      languageOptions: { parser: plugin.parser, parserOptions: { graphQLConfig: { schema: SCHEMA } } },
      plugins: { "@graphql-eslint": plugin },
      rules: RULES,
    },
  });
  const [{ messages }] = await eslint.lintText(text, { filePath: SCHEMA });
  return messages.map(({ message, ruleId }) => [message, ruleId]);
}

/** The text with a part replaced, which has to be there. */
function replaced(text, part, by) {
  assert.ok(text.includes(part), part);
  return text.replace(part, by);
}

describe("schema.graphql", async () => {
  const schema = await readFile(SCHEMA, "utf8");

  it("keeps the recommended rules and those of Relay", async () => {
    assert.deepEqual(Object.fromEntries(await lint(schema)), EXCEPTIONS);
  });

  it("is really looked at", async () => {
    const told = await lint(replaced(schema, "  contentUpdatedAt: DateTime!", "  content_updated_at: DateTime!"));
    assert.ok(told.some(([, rule]) => rule === "@graphql-eslint/naming-convention"));
  });

  it("has one type for one name, wherever both can be selected together", () => {
    const clashes = [];
    const built = buildSchema(schema);
    for (const type of Object.values(built.getTypeMap()).filter(isInterfaceType)) {
      const seen = new Map();
      for (const each of built.getPossibleTypes(type)) {
        for (const field of Object.values(each.getFields())) {
          const other = seen.get(field.name) ?? field.type;
          if (String(other) !== String(field.type)) clashes.push(`${type.name}: ${field.name}`);
          seen.set(field.name, other);
        }
      }
    }
    assert.deepEqual(
      [...new Set(clashes)].filter((each) => !ALIASED.has(each)),
      [],
    );
  });
});

describe("what was released", async () => {
  const [released, current, changelog] = await Promise.all(
    ["schema.released.graphql", "schema.graphql", "CHANGELOG.md"].map((name) => readFile(ROOT + name, "utf8")),
  );

  it("still holds, or CHANGELOG.md says what does not", async () => {
    assert.deepEqual(await complaints(released, current, changelog), []);
  });

  const NOTHING = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- `Message.role`: new.\n";
  const BREAKS = [
    ["a field is gone", "  strategy: String\n", "  plan: String\n", "LongTermMemory.strategy"],
    [
      "a field may be null",
      "  payloadType: PayloadType!\n",
      "  payloadType: PayloadType\n",
      "WorkingMemory.payloadType",
    ],
    ["an argument is gone", "    at: DateTime\n", "    time: DateTime\n", "Query.memory(at:)"],
    ["an argument is required", "    at: DateTime\n", "    at: DateTime!\n", "Query.memory(at:)"],
    ["a default differs", "mode: SearchMode! = AUTO", "mode: SearchMode! = FULL_TEXT", "Query.searchMemories(mode:)"],
    ["a value is gone", "  PER_ENTRY\n", "  SINGLY\n", "WriteMode.PER_ENTRY"],
    [
      "an input needs more",
      "input ContextEntryInput {",
      "input ContextEntryInput { needed: Int!",
      "ContextEntryInput.needed",
    ],
    ["an error is none", "type NotFoundError implements UserError", "type NotFoundError", "NotFoundError"],
    [
      "a field is null without an error",
      "viewer: Viewer @semanticNonNull(levels: [0])",
      "viewer: Viewer",
      "Query.viewer",
    ],
  ];
  for (const [name, before, after, coordinate] of BREAKS) {
    it(`is broken where ${name}, unless that is written down`, async () => {
      const changed = replaced(current, before, after);
      const [complaint, ...more] = await complaints(current, changed, NOTHING);
      assert.ok(complaint.startsWith(`${coordinate}: `), complaint);
      assert.deepEqual(more, []);
      const written = `${NOTHING}\n### Breaking\n\n- \`${coordinate}\`: why, and what to do.\n`;
      assert.deepEqual(await complaints(current, changed, written), []);
    });
  }

  const HOLDS = [
    ["a field comes", "type Viewer {", "type Viewer { new: Int"],
    ["a null can no longer be", "viewer: Viewer @semanticNonNull(levels: [0])", "viewer: Viewer!"],
    ["an input may have more", "input ContextEntryInput {", "input ContextEntryInput { new: Int"],
    ["a value comes", "  PER_ENTRY\n", "  PER_ENTRY\n  OTHER\n"],
  ];
  for (const [name, before, after] of HOLDS) {
    it(`holds where ${name}`, async () => {
      assert.deepEqual(await complaints(current, replaced(current, before, after), NOTHING), []);
    });
  }

  it("is not said to break where it holds, nor for a release that is past", async () => {
    const said = `${NOTHING}\n### Breaking\n\n- The order of two entries of one time.\n- \`Viewer\`, \`Message.role\`: gone.\n`;
    assert.deepEqual(await complaints(current, current, said), [
      'Viewer stands under "### Breaking" in CHANGELOG.md, and does not break.',
      'Message.role stands under "### Breaking" in CHANGELOG.md, and does not break.',
    ]);
    const past = said.replace("### Added", "## [1.0.0] - 2026-01-01\n\n### Added");
    assert.deepEqual(await complaints(current, current, past), []);
  });
});
