/**
 * The memories in PostgreSQL. Each statement has a name, so that node-postgres prepares it once per connection, and
 * each mutation is one transaction of one client. What a statement needs from the one before is asked for first:
 * locking, writing and recording are three round trips, as most people write them.
 */

import { randomUUID } from "node:crypto";

import { inTransaction, pool } from "./database.mjs";

const TENANT = "bench";
const ACTOR = "bench";
const COLUMNS = "id, memory_type, namespace, version, created_at, updated_at, summary, metadata";

const LOCK_SESSION = `SELECT version, updated_at, container_id, namespace, metadata FROM memory
WHERE tenant_id = $1 AND id = $2 AND memory_type = 'SESSION' AND NOT deleted FOR UPDATE`;

const UPDATE_SESSION = `UPDATE memory
SET metadata = $3, version = $4, updated_at = $5, content_updated_at = $5, updated_by = $6,
  change = nextval('history_change')
WHERE tenant_id = $1 AND id = $2 RETURNING change, ${COLUMNS}`;

const INSERT_HISTORY = `INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, session_id,
  namespace, change, position, action, changes, actor, reason, created_at, content_updated_at)
VALUES ($1, $2, $3, 'SESSION', $4, NULL, $5, $6, 0, 'UPDATE', $7, $8, NULL, $9, $9)`;

const LOCK_ENTRIES = `SELECT id, entry_id, version, updated_at, content, role, metadata FROM memory
WHERE tenant_id = $1 AND session_id = $2 AND entry_id = ANY($3::text[]) FOR UPDATE`;

const UPSERT_ENTRIES = `INSERT INTO memory (tenant_id, id, memory_type, container_id, namespace, session_id, entry_id,
  version, created_at, updated_at, content_updated_at, updated_by, arrival, change, deleted, content, role,
  payload_type, metadata)
SELECT $1, entry.id, 'WORKING', $2, $3::json, $4, entry.entry_id, entry.version, $5, entry.updated_at,
  entry.updated_at, $6, nextval('history_change'), nextval('history_change'), FALSE, entry.content, entry.role,
  'MESSAGES', entry.metadata::json
FROM unnest($7::text[], $8::text[], $9::int[], $10::bigint[], $11::text[], $12::text[], $13::text[])
  AS entry (id, entry_id, version, updated_at, content, role, metadata)
ON CONFLICT (tenant_id, session_id, entry_id) DO UPDATE
SET version = excluded.version, updated_at = excluded.updated_at, content_updated_at = excluded.content_updated_at,
  updated_by = excluded.updated_by, change = excluded.change, content = excluded.content, role = excluded.role,
  metadata = excluded.metadata
RETURNING id, change`;

const INSERT_ENTRIES_HISTORY = `INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id,
  session_id, namespace, change, position, action, changes, actor, reason, created_at, content_updated_at)
SELECT $1, entry.id, entry.version, 'WORKING', $2, $3, $4::json, entry.change, 0, entry.action, entry.changes::json,
  $5, NULL, entry.updated_at, entry.updated_at
FROM unnest($6::text[], $7::int[], $8::bigint[], $9::text[], $10::text[], $11::bigint[])
  AS entry (id, version, change, action, changes, updated_at)`;

const UPSERT_WORDS = `INSERT INTO search (tenant_id, memory_id, number, length, words, counts)
SELECT $1, entry.id, entry.change, length(entry.words), entry.words, ''
FROM (
  SELECT id, change, to_tsvector('english', content) AS words
  FROM unnest($2::text[], $3::bigint[], $4::text[]) AS given (id, change, content)
) AS entry
ON CONFLICT (tenant_id, memory_id) DO UPDATE SET length = excluded.length, words = excluded.words`;

const MEMORY = `SELECT ${COLUMNS} FROM memory WHERE tenant_id = $1 AND id = $2 AND memory_type = $3 AND NOT deleted`;

const NEWEST = `SELECT ${COLUMNS}, arrival FROM memory
WHERE tenant_id = $1 AND memory_type = $2 AND NOT deleted
ORDER BY created_at DESC, arrival DESC LIMIT $3`;

const SEARCH = `SELECT ${COLUMNS}, found.score FROM (
  SELECT search.memory_id, ts_rank(search.words, asked) AS score
  FROM search, websearch_to_tsquery('english', $2) AS asked
  WHERE search.tenant_id = $1 AND search.words @@ asked
  ORDER BY score DESC, search.number DESC LIMIT $3
) AS found JOIN memory ON memory.tenant_id = $1 AND memory.id = found.memory_id
ORDER BY found.score DESC, memory.arrival DESC`;

/** The row after the update, or null where there is no such session. What is not given stays. */
export function updateSession(id, given) {
  return inTransaction(async (client) => {
    const {
      rows: [stored],
    } = await client.query({ name: "lock-session", text: LOCK_SESSION, values: [TENANT, id] });
    if (stored === undefined) {
      return null;
    }
    const metadata = given === undefined ? stored.metadata : given;
    const version = stored.version + 1;
    const time = nextTime(stored);
    const { rows } = await client.query({
      name: "update-session",
      text: UPDATE_SESSION,
      values: [TENANT, id, metadata, version, time, ACTOR],
    });
    const changes = [{ field: "metadata", before: stored.metadata, after: metadata }];
    await recordSession(client, id, stored, rows[0], changes);
    return rows[0];
  });
}

/** The session's new version and how many entries were created and changed, or null where there is no session. */
export function updateEntries(sessionId, entries) {
  return inTransaction(async (client) => {
    const {
      rows: [session],
    } = await client.query({ name: "lock-session", text: LOCK_SESSION, values: [TENANT, sessionId] });
    if (session === undefined) {
      return null;
    }
    const { rows } = await client.query({
      name: "lock-entries",
      text: LOCK_ENTRIES,
      values: [TENANT, sessionId, entries.map((entry) => entry.id)],
    });
    const now = nextTime(session);
    const stored = new Map(rows.map((row) => [row.entry_id, row]));
    const revised = entries.map((entry) => revision(entry, stored.get(entry.id), now));
    await writeEntries(client, sessionId, session, revised, now);
    const created = revised.filter((entry) => entry.action === "CREATE").length;
    const updated = revised.length - created;
    const after = await client.query({
      name: "update-session",
      text: UPDATE_SESSION,
      values: [TENANT, sessionId, session.metadata, session.version + 1, now, ACTOR],
    });
    const changes = [{ field: "entries", kind: "ENTRIES", after: { created, updated, deleted: 0 } }];
    await recordSession(client, sessionId, session, after.rows[0], changes);
    return { version: after.rows[0].version, created, updated };
  });
}

export async function memoryById(type, id) {
  const { rows } = await pool.query({ name: "memory", text: MEMORY, values: [TENANT, id, type] });
  return rows[0] ?? null;
}

/** One more than asked for, to know whether there are more. */
export async function newestMemories(type, first) {
  const { rows } = await pool.query({ name: "newest", text: NEWEST, values: [TENANT, type, first + 1] });
  return rows;
}

export async function foundMemories(query, first) {
  const { rows } = await pool.query({ name: "search", text: SEARCH, values: [TENANT, query, first] });
  return rows;
}

function recordSession(client, id, before, after, changes) {
  const { version, change, updated_at: time } = after;
  const recorded = [before.container_id, before.namespace, change, JSON.stringify(changes), ACTOR, time];
  return client.query({
    name: "insert-history",
    text: INSERT_HISTORY,
    values: [TENANT, id, version, ...recorded],
  });
}

async function writeEntries(client, sessionId, session, entries, now) {
  const column = (name) => entries.map((entry) => entry[name]);
  const { rows } = await client.query({
    name: "upsert-entries",
    text: UPSERT_ENTRIES,
    values: [
      ...[TENANT, session.container_id, session.namespace, sessionId, now, ACTOR],
      ...["id", "entryId", "version", "time", "content", "role", "metadata"].map(column),
    ],
  });
  const changes = new Map(rows.map((row) => [row.id, row.change]));
  const changed = entries.map((entry) => changes.get(entry.id));
  await client.query({
    name: "insert-entries-history",
    text: INSERT_ENTRIES_HISTORY,
    values: [
      ...[TENANT, session.container_id, sessionId, session.namespace, ACTOR],
      ...[column("id"), column("version"), changed, column("action"), column("changes"), column("time")],
    ],
  });
  await client.query({
    name: "upsert-words",
    text: UPSERT_WORDS,
    values: [TENANT, column("id"), changed, column("content")],
  });
}

function revision(entry, stored, now) {
  const given = { content: entry.content, role: entry.role, metadata: entry.metadata };
  const fields = Object.entries(given).filter(([, value]) => value !== undefined);
  const changes = fields.map(([field, after]) => ({ field, before: stored?.[field] ?? undefined, after }));
  const values = { content: "", role: "user", metadata: null, ...stored, ...Object.fromEntries(fields) };
  return {
    id: stored?.id ?? randomUUID(),
    entryId: entry.id,
    version: (stored?.version ?? 0) + 1,
    time: stored === undefined ? now : Math.max(now, stored.updated_at + 1),
    action: stored === undefined ? "CREATE" : "UPDATE",
    content: values.content,
    role: values.role,
    metadata: values.metadata === null ? null : JSON.stringify(values.metadata),
    changes: JSON.stringify(changes),
  };
}

/** Microseconds since 1970, later than the stored row's. */
function nextTime(stored) {
  return Math.max(Math.trunc((performance.timeOrigin + performance.now()) * 1000), stored.updated_at + 1);
}
