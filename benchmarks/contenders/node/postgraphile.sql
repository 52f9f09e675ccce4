-- What PostGraphile serves beside the tables: custom mutations and custom queries, as its documentation has them.
-- "Putting your business logic in the database will often be more performant then doing so in the application layer."
-- A mutation is one statement, so one transaction. Variables are those of the other contenders.

DROP TYPE IF EXISTS context_memory_update CASCADE;
CREATE TYPE context_memory_update AS (version int, submitted int, created int, updated int, unchanged int, failed int);

CREATE OR REPLACE FUNCTION update_memory(id text, input json) RETURNS memory LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  stored memory;
  written memory;
  now_us bigint;
BEGIN
  SELECT * INTO stored FROM memory AS m
  WHERE m.tenant_id = 'bench' AND m.id = update_memory.id AND m.memory_type = 'SESSION' AND NOT m.deleted
  FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no session %.', id USING ERRCODE = 'NTFND';
  END IF;
  now_us := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, stored.updated_at + 1);
  UPDATE memory AS m
  SET metadata = input -> 'session' -> 'metadata', version = m.version + 1, updated_at = now_us,
    content_updated_at = now_us, updated_by = 'bench', change = nextval('history_change')
  WHERE m.tenant_id = 'bench' AND m.id = update_memory.id
  RETURNING * INTO written;
  INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, change, position, action,
    changes, actor, created_at, content_updated_at)
  VALUES ('bench', written.id, written.version, 'SESSION', written.container_id, written.namespace, written.change, 0,
    'UPDATE',
    json_build_array(
      json_build_object('field', 'metadata', 'before', stored.metadata, 'after', written.metadata)
    ),
    'bench', written.updated_at, written.content_updated_at);
  RETURN written;
END
$$;

CREATE OR REPLACE FUNCTION update_context_memory(input json) RETURNS context_memory_update
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  session memory;
  answer context_memory_update;
  now_us bigint;
BEGIN
  SELECT * INTO session FROM memory AS m
  WHERE m.tenant_id = 'bench' AND m.id = input ->> 'sessionId' AND m.memory_type = 'SESSION' AND NOT m.deleted
  FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no session %.', input ->> 'sessionId' USING ERRCODE = 'NTFND';
  END IF;
  now_us := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, session.updated_at + 1);
  -- One statement writes the entries, their history and what they are found by.
  WITH given AS (
    SELECT each.id AS entry_id, each.content, each.role, each.metadata
    FROM json_to_recordset(input -> 'contents') AS each (id text, content text, role text, metadata json)
  ), stored AS (
    SELECT m.id, m.entry_id, m.version, m.updated_at, m.content, m.role, m.metadata
    FROM memory AS m
    WHERE m.tenant_id = 'bench' AND m.session_id = session.id AND m.entry_id IN (SELECT g.entry_id FROM given AS g)
  ), written AS (
    INSERT INTO memory (tenant_id, id, memory_type, container_id, namespace, session_id, entry_id, version, created_at,
      updated_at, content_updated_at, updated_by, content, role, payload_type, metadata)
    SELECT 'bench', coalesce(stored.id, gen_random_uuid()::text), 'WORKING', session.container_id, session.namespace,
      session.id, given.entry_id, coalesce(stored.version, 0) + 1, now_us,
      greatest(now_us, stored.updated_at + 1), greatest(now_us, stored.updated_at + 1), 'bench',
      given.content, given.role, 'MESSAGES', given.metadata
    FROM given LEFT JOIN stored ON stored.entry_id = given.entry_id
    ON CONFLICT (tenant_id, session_id, entry_id) DO UPDATE
    SET version = excluded.version, updated_at = excluded.updated_at,
      content_updated_at = excluded.content_updated_at, updated_by = excluded.updated_by, change = excluded.change,
      content = excluded.content, role = excluded.role, metadata = excluded.metadata
    RETURNING id, entry_id, version, updated_at, change, arrival, content, role, metadata
  ), recorded AS (
    INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, session_id, namespace, change,
      position, action, changes, actor, created_at, content_updated_at)
    SELECT 'bench', written.id, written.version, 'WORKING', session.container_id, session.id, session.namespace,
      written.change, 0, CASE WHEN stored.id IS NULL THEN 'CREATE' ELSE 'UPDATE' END,
      json_build_array(
        json_build_object('field', 'content', 'before', stored.content, 'after', written.content),
        json_build_object('field', 'role', 'before', stored.role, 'after', written.role),
        json_build_object('field', 'metadata', 'before', stored.metadata, 'after', written.metadata)
      ),
      'bench', written.updated_at, written.updated_at
    FROM written LEFT JOIN stored ON stored.entry_id = written.entry_id
  ), indexed AS (
    INSERT INTO search (tenant_id, memory_id, number, length, words, counts)
    SELECT 'bench', written.id, written.arrival, length(found.words), found.words, ''
    FROM written, to_tsvector('english', written.content) AS found (words)
    ON CONFLICT (tenant_id, memory_id) DO UPDATE SET length = excluded.length, words = excluded.words
  )
  SELECT session.version + 1, count(*), count(*) FILTER (WHERE written.version = 1),
    count(*) FILTER (WHERE written.version > 1), 0, 0
  INTO answer FROM written;
  UPDATE memory AS m
  SET version = answer.version, updated_at = now_us, content_updated_at = now_us, updated_by = 'bench',
    change = nextval('history_change')
  WHERE m.tenant_id = 'bench' AND m.id = session.id
  RETURNING * INTO session;
  INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, change, position, action,
    changes, actor, created_at, content_updated_at)
  VALUES ('bench', session.id, session.version, 'SESSION', session.container_id, session.namespace, session.change, 0,
    'UPDATE',
    json_build_array(json_build_object('field', 'entries', 'kind', 'ENTRIES', 'after',
      json_build_object('created', answer.created, 'updated', answer.updated, 'deleted', 0))),
    'bench', now_us, now_us);
  RETURN answer;
END
$$;

CREATE OR REPLACE FUNCTION newest_sessions() RETURNS SETOF memory LANGUAGE sql STABLE AS $$
  SELECT * FROM memory AS m
  WHERE m.tenant_id = 'bench' AND m.memory_type = 'SESSION' AND NOT m.deleted
  ORDER BY m.created_at DESC, m.arrival DESC
$$;

CREATE OR REPLACE FUNCTION search_memories(query text) RETURNS SETOF memory LANGUAGE sql STABLE AS $$
  SELECT m.* FROM search AS s, websearch_to_tsquery('english', query) AS asked, memory AS m
  WHERE s.tenant_id = 'bench' AND s.words @@ asked AND m.tenant_id = 'bench' AND m.id = s.memory_id
  ORDER BY ts_rank(s.words, asked) DESC, s.number DESC
$$;
