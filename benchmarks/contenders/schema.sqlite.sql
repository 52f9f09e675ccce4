-- Written by benchmarks/contenders/make_schemas.py from the tables of mnesis; see there.
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
	change BIGINT NOT NULL DEFAULT 0,
	deleted BOOLEAN NOT NULL DEFAULT FALSE,
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
	strategy TEXT,
	owner TEXT,
	guarded BOOLEAN DEFAULT 0 NOT NULL,
	PRIMARY KEY (tenant_id, id),
	CONSTRAINT memory_entry UNIQUE (tenant_id, session_id, entry_id)
);
CREATE INDEX memory_entries ON memory (tenant_id, session_id, created_at, arrival) WHERE NOT deleted AND session_id IS NOT NULL;
CREATE INDEX memory_last_updated ON memory (tenant_id, updated_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_last_updated_in_container ON memory (tenant_id, container_id, updated_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_newest ON memory (tenant_id, created_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_newest_in_container ON memory (tenant_id, container_id, created_at, arrival) WHERE NOT deleted;
CREATE INDEX memory_newest_of_type ON memory (tenant_id, memory_type, created_at, arrival) WHERE NOT deleted;
CREATE TABLE history (
	tenant_id TEXT NOT NULL,
	memory_id TEXT NOT NULL,
	version INTEGER NOT NULL,
	memory_type TEXT NOT NULL,
	container_id TEXT NOT NULL,
	session_id TEXT,
	namespace JSON NOT NULL,
	change INTEGER PRIMARY KEY,
	position INTEGER NOT NULL DEFAULT 0,
	action TEXT NOT NULL,
	changes JSON NOT NULL,
	actor TEXT,
	reason TEXT,
	created_at BIGINT NOT NULL,
	content_updated_at BIGINT NOT NULL,
	owner TEXT,
	guarded BOOLEAN DEFAULT 0 NOT NULL,
	UNIQUE (tenant_id, memory_id, version),
	CONSTRAINT history_order UNIQUE (tenant_id, change, position)
);
CREATE INDEX history_in_container ON history (tenant_id, container_id, change, position);
CREATE INDEX history_of_entries ON history (tenant_id, session_id, change, position) WHERE session_id IS NOT NULL;
CREATE TABLE search (
	tenant_id TEXT NOT NULL,
	memory_id TEXT NOT NULL,
	number INTEGER PRIMARY KEY,
	length INTEGER NOT NULL,
	words TEXT NOT NULL,
	counts TEXT NOT NULL,
	UNIQUE (tenant_id, memory_id),
	CONSTRAINT search_memory FOREIGN KEY(tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX search_newest ON search (tenant_id, number, length);
CREATE VIRTUAL TABLE search_index USING fts5(words, content='', detail=none, columnsize=0, tokenize='ascii');
CREATE TRIGGER search_inserted AFTER INSERT ON search BEGIN
    INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
END;
CREATE TRIGGER search_deleted AFTER DELETE ON search BEGIN
    INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
END;
CREATE TRIGGER search_updated AFTER UPDATE ON search BEGIN
    INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
    INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
END;
