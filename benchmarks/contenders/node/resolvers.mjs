/** The resolvers of `../schema.graphql`, the same for graphql-yoga and for mercurius. */

import { readFileSync } from "node:fs";

import { Kind, GraphQLError, GraphQLScalarType, valueFromASTUntyped } from "graphql";

import { foundMemories, memoryById, newestMemories, updateEntries, updateSession } from "./store.mjs";

export const typeDefs = [
  readFileSync(new URL("../schema.graphql", import.meta.url), "utf8"),
  // A search may find entries too.
  `type WorkingMemory implements Memory {
    id: ID!
    type: MemoryType!
    version: Int!
    namespace: JSONObject!
    createdAt: DateTime!
    updatedAt: DateTime!
  }`,
];

const TYPE_NAMES = { SESSION: "SessionMemory", WORKING: "WorkingMemory" };

const DateTime = new GraphQLScalarType({ name: "DateTime", serialize: rfc3339 });

const JSONObject = new GraphQLScalarType({
  name: "JSONObject",
  parseValue: object,
  parseLiteral: (node, variables) => {
    if (node.kind !== Kind.OBJECT) {
      throw new GraphQLError("This is not a JSON object.", { nodes: node });
    }
    return valueFromASTUntyped(node, variables);
  },
});

const memoryFields = {
  type: (row) => row.memory_type,
  createdAt: (row) => row.created_at,
  updatedAt: (row) => row.updated_at,
};

export const resolvers = {
  DateTime,
  JSONObject,
  Memory: { resolveType: (row) => TYPE_NAMES[row.memory_type] },
  SessionMemory: memoryFields,
  WorkingMemory: memoryFields,
  UserError: { resolveType: () => "NotFoundError" },
  Query: {
    memory: (_root, { type, id }) => memoryById(type, id),
    memories,
    searchMemories,
  },
  Mutation: { updateMemory, updateContextMemory },
};

async function updateMemory(_root, { type, id, input }) {
  const memory = type === "SESSION" ? await updateSession(id, input.session.metadata) : null;
  if (memory === null) {
    return { status: "FAILED", version: null, memory: null, errors: [notFound(`There is no session ${id}.`, "id")] };
  }
  return { status: "UPDATED", version: memory.version, memory, errors: [] };
}

async function updateContextMemory(_root, { input: { sessionId, contents } }) {
  const submitted = contents.length;
  const written = await updateEntries(sessionId, contents);
  if (written === null) {
    const errors = [notFound(`There is no session ${sessionId}.`, "input", "sessionId")];
    return { version: null, counts: counts(submitted, 0, 0), errors };
  }
  const { version, created, updated } = written;
  return { version, counts: counts(submitted, created, updated), errors: [] };
}

async function memories(_root, { filter, first }) {
  const [type, ...others] = filter?.types ?? [];
  if (type === undefined || others.length > 0) {
    throw new GraphQLError("Only lists of one type are served.");
  }
  const asked = first ?? 20;
  const rows = await newestMemories(type, asked);
  const nodes = rows.slice(0, asked);
  return { nodes, pageInfo: { hasNextPage: rows.length > asked, endCursor: cursorOf(nodes.at(-1)) } };
}

async function searchMemories(_root, { query, first }) {
  return { nodes: await foundMemories(query, first) };
}

function notFound(message, ...path) {
  return { message, code: "NOT_FOUND", path };
}

function counts(submitted, created, updated) {
  const failed = submitted - created - updated;
  return { submitted, created, updated, unchanged: 0, failed };
}

function cursorOf(row) {
  return row === undefined ? null : Buffer.from(`${row.created_at}.${row.arrival}`).toString("base64url");
}

function object(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new GraphQLError("This is not a JSON object.");
  }
  return value;
}

/** A time of the database, in microseconds since 1970, as mnesis writes it. */
function rfc3339(microseconds) {
  const seconds = new Date(Math.floor(microseconds / 1000)).toISOString().slice(0, 19);
  return `${seconds}.${String(microseconds % 1_000_000).padStart(6, "0")}Z`;
}
