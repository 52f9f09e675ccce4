CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE "container" (
	tenant_id TEXT NOT NULL,
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	description TEXT,
	metadata JSON,
	retention JSON,
	version INTEGER NOT NULL,
	updated_at BIGINT NOT NULL,
	deleted BOOLEAN NOT NULL, owner TEXT, roles JSON, guarded BOOLEAN DEFAULT 0 NOT NULL,
	PRIMARY KEY (tenant_id, id),
	CONSTRAINT container_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE TABLE embedding (
	tenant_id TEXT NOT NULL,
	memory_id TEXT NOT NULL,
	model TEXT NOT NULL,
	dimensions INTEGER NOT NULL,
	version INTEGER NOT NULL,
	text_mark BLOB NOT NULL,
	vector BLOB,
	PRIMARY KEY (tenant_id, memory_id),
	CONSTRAINT embedding_search FOREIGN KEY(tenant_id, memory_id) REFERENCES search (tenant_id, memory_id) ON DELETE CASCADE
);
CREATE TABLE embedding_due (
	tenant_id TEXT NOT NULL,
	memory_id TEXT NOT NULL,
	version INTEGER NOT NULL,
	due_at BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, memory_id),
	CONSTRAINT embedding_due_search FOREIGN KEY(tenant_id, memory_id) REFERENCES search (tenant_id, memory_id) ON DELETE CASCADE
);
CREATE INDEX embedding_due_next ON embedding_due (due_at);
CREATE TABLE history (
	tenant_id TEXT NOT NULL,
	memory_id TEXT NOT NULL,
	version INTEGER NOT NULL,
	memory_type TEXT NOT NULL,
	container_id TEXT NOT NULL,
	session_id TEXT,
	namespace JSON NOT NULL,
	change BIGINT NOT NULL,
	position INTEGER NOT NULL,
	action TEXT NOT NULL,
	changes JSON NOT NULL,
	actor TEXT,
	reason TEXT,
	created_at BIGINT NOT NULL,
	content_updated_at BIGINT NOT NULL, owner TEXT, guarded BOOLEAN DEFAULT 0 NOT NULL,
	PRIMARY KEY (tenant_id, memory_id, version),
	CONSTRAINT history_order UNIQUE (tenant_id, change, position)
);
CREATE INDEX history_in_container ON history (tenant_id, container_id, change, position);
CREATE INDEX history_of_entries ON history (tenant_id, session_id, change, position) WHERE session_id IS NOT NULL;
CREATE TABLE idempotency (
	tenant_id TEXT NOT NULL,
	subject TEXT NOT NULL,
	"key" TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	answer JSON NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, subject, "key")
);
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE TABLE job (
	tenant_id TEXT NOT NULL,
	id TEXT NOT NULL,
	subject TEXT NOT NULL,
	status TEXT NOT NULL,
	data JSON NOT NULL,
	items JSON NOT NULL,
	total INTEGER NOT NULL,
	done INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	failure TEXT,
	due_at BIGINT,
	created_at BIGINT NOT NULL,
	started_at BIGINT,
	finished_at BIGINT,
	PRIMARY KEY (tenant_id, id)
);
CREATE INDEX job_newest ON job (tenant_id, subject, created_at, id);
CREATE INDEX job_next ON job (due_at);
CREATE TABLE memory (
	tenant_id TEXT NOT NULL,
	id TEXT NOT NULL,
	memory_type TEXT NOT NULL,
	container_id TEXT NOT NULL,
	namespace JSON NOT NULL,
	session_id TEXT,
	entry_id TEXT,
	version INTEGER NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	content_updated_at BIGINT NOT NULL,
	updated_by TEXT,
	arrival BIGINT NOT NULL,
	change BIGINT NOT NULL,
	deleted BOOLEAN NOT NULL,
	summary TEXT,
	metadata JSON,
	agents JSON,
	additional_info JSON,
	pinned BOOLEAN,
	content TEXT,
	role TEXT,
	payload_type TEXT,
	messages JSON,
	structured_data JSON,
	binary_data BLOB,
	tags JSON,
	memory TEXT,
	strategy TEXT, owner TEXT, guarded BOOLEAN DEFAULT 0 NOT NULL,
	PRIMARY KEY (tenant_id, id),
	CONSTRAINT memory_container FOREIGN KEY(tenant_id, container_id) REFERENCES container (tenant_id, id),
	CONSTRAINT memory_entry UNIQUE (tenant_id, session_id, entry_id)
);
CREATE INDEX memory_entries ON memory (tenant_id, session_id, created_at, arrival) WHERE NOT deleted AND session_id IS NOT NULL;
CREATE INDEX memory_last_updated ON memory (tenant_id, updated_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_last_updated_in_container ON memory (tenant_id, container_id, updated_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_newest ON memory (tenant_id, created_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_newest_in_container ON memory (tenant_id, container_id, created_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_newest_of_type ON memory (tenant_id, memory_type, created_at, arrival) WHERE NOT deleted;
CREATE TRIGGER search_deleted AFTER DELETE ON search BEGIN
    INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
END;
CREATE TRIGGER search_inserted AFTER INSERT ON search BEGIN
    INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
END;
CREATE TRIGGER search_updated AFTER UPDATE ON search BEGIN
    INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
    INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
END;
CREATE TABLE search (
	tenant_id TEXT NOT NULL,
	memory_id TEXT NOT NULL,
	number BIGINT NOT NULL,
	length INTEGER NOT NULL,
	words TEXT NOT NULL,
	counts TEXT NOT NULL,
	PRIMARY KEY (tenant_id, memory_id),
	CONSTRAINT search_memory FOREIGN KEY(tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX search_newest ON search (tenant_id, number, length);
CREATE UNIQUE INDEX search_number ON search (number);
CREATE VIRTUAL TABLE search_index USING fts5(words, content='', detail=none, columnsize=0, tokenize='ascii');
CREATE TABLE 'search_index_config'(k PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE 'search_index_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE 'search_index_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE tenant (
	id TEXT NOT NULL,
	change BIGINT NOT NULL,
	created_at BIGINT NOT NULL, pruned_change BIGINT DEFAULT 0 NOT NULL, quota JSON,
	PRIMARY KEY (id)
);
CREATE TABLE trace (
	tenant_id TEXT NOT NULL,
	id TEXT NOT NULL,
	subject TEXT NOT NULL,
	trace_type TEXT NOT NULL,
	data JSON NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, id)
);
CREATE INDEX trace_age ON trace (tenant_id, created_at);
CREATE INDEX trace_newest ON trace (tenant_id, subject, created_at, id);
