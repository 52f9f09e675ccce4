CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.container (
    tenant_id text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    created_at bigint NOT NULL,
    description text,
    metadata json,
    retention json,
    version integer NOT NULL,
    updated_at bigint NOT NULL,
    deleted boolean NOT NULL,
    owner text,
    roles json,
    guarded boolean DEFAULT false NOT NULL
);
CREATE TABLE public.embedding (
    tenant_id text NOT NULL,
    memory_id text NOT NULL,
    model text NOT NULL,
    dimensions integer NOT NULL,
    version integer NOT NULL,
    text_mark bytea NOT NULL,
    vector real[]
);
CREATE TABLE public.embedding_due (
    tenant_id text NOT NULL,
    memory_id text NOT NULL,
    version integer NOT NULL,
    due_at bigint NOT NULL
);
CREATE TABLE public.history (
    tenant_id text NOT NULL,
    memory_id text NOT NULL,
    version integer NOT NULL,
    memory_type text NOT NULL,
    container_id text NOT NULL,
    session_id text,
    namespace json NOT NULL,
    change bigint NOT NULL,
    "position" integer NOT NULL,
    action text NOT NULL,
    changes json NOT NULL,
    actor text,
    reason text,
    created_at bigint NOT NULL,
    content_updated_at bigint NOT NULL,
    owner text,
    guarded boolean DEFAULT false NOT NULL
);
CREATE TABLE public.idempotency (
    tenant_id text NOT NULL,
    subject text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    answer json NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.job (
    tenant_id text NOT NULL,
    id text NOT NULL,
    subject text NOT NULL,
    status text NOT NULL,
    data json NOT NULL,
    items json NOT NULL,
    total integer NOT NULL,
    done integer NOT NULL,
    attempts integer NOT NULL,
    failure text,
    due_at bigint,
    created_at bigint NOT NULL,
    started_at bigint,
    finished_at bigint
);
CREATE TABLE public.memory (
    tenant_id text NOT NULL,
    id text NOT NULL,
    memory_type text NOT NULL,
    container_id text NOT NULL,
    namespace json NOT NULL,
    session_id text,
    entry_id text,
    version integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    content_updated_at bigint NOT NULL,
    updated_by text,
    arrival bigint NOT NULL,
    change bigint NOT NULL,
    deleted boolean NOT NULL,
    summary text,
    metadata json,
    agents json,
    additional_info json,
    pinned boolean,
    content text,
    role text,
    payload_type text,
    messages json,
    structured_data json,
    binary_data bytea,
    tags json,
    memory text,
    strategy text,
    owner text,
    guarded boolean DEFAULT false NOT NULL
)
WITH (fillfactor='85');
CREATE TABLE public.search (
    tenant_id text NOT NULL,
    memory_id text NOT NULL,
    number bigint NOT NULL,
    length integer NOT NULL,
    words tsvector NOT NULL,
    counts text NOT NULL
);
CREATE TABLE public.tenant (
    id text NOT NULL,
    change bigint NOT NULL,
    created_at bigint NOT NULL,
    pruned_change bigint DEFAULT 0 NOT NULL,
    quota json
);
CREATE TABLE public.trace (
    tenant_id text NOT NULL,
    id text NOT NULL,
    subject text NOT NULL,
    trace_type text NOT NULL,
    data json NOT NULL,
    created_at bigint NOT NULL
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.container
    ADD CONSTRAINT container_pkey PRIMARY KEY (tenant_id, id);
ALTER TABLE ONLY public.embedding_due
    ADD CONSTRAINT embedding_due_pkey PRIMARY KEY (tenant_id, memory_id);
ALTER TABLE ONLY public.embedding
    ADD CONSTRAINT embedding_pkey PRIMARY KEY (tenant_id, memory_id);
ALTER TABLE ONLY public.history
    ADD CONSTRAINT history_order UNIQUE (tenant_id, change, "position");
ALTER TABLE ONLY public.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (tenant_id, memory_id, version);
ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (tenant_id, subject, key);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (tenant_id, id);
ALTER TABLE ONLY public.memory
    ADD CONSTRAINT memory_entry UNIQUE (tenant_id, session_id, entry_id);
ALTER TABLE ONLY public.memory
    ADD CONSTRAINT memory_pkey PRIMARY KEY (tenant_id, id);
ALTER TABLE ONLY public.search
    ADD CONSTRAINT search_pkey PRIMARY KEY (tenant_id, memory_id);
ALTER TABLE ONLY public.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.trace
    ADD CONSTRAINT trace_pkey PRIMARY KEY (tenant_id, id);
CREATE INDEX embedding_due_next ON public.embedding_due USING btree (due_at);
CREATE INDEX history_in_container ON public.history USING btree (tenant_id, container_id, change, "position");
CREATE INDEX history_of_entries ON public.history USING btree (tenant_id, session_id, change, "position") WHERE (session_id IS NOT NULL);
CREATE INDEX idempotency_age ON public.idempotency USING btree (created_at);
CREATE INDEX job_newest ON public.job USING btree (tenant_id, subject, created_at, id);
CREATE INDEX job_next ON public.job USING btree (due_at);
CREATE INDEX memory_entries ON public.memory USING btree (tenant_id, session_id, created_at, arrival) WHERE ((NOT deleted) AND (session_id IS NOT NULL));
CREATE INDEX memory_last_updated ON public.memory USING btree (tenant_id, updated_at, arrival) WHERE (NOT deleted);
CREATE INDEX memory_last_updated_in_container ON public.memory USING btree (tenant_id, container_id, updated_at, arrival) WHERE (NOT deleted);
CREATE INDEX memory_newest ON public.memory USING btree (tenant_id, created_at, arrival) WHERE (NOT deleted);
CREATE INDEX memory_newest_in_container ON public.memory USING btree (tenant_id, container_id, created_at, arrival) WHERE (NOT deleted);
CREATE INDEX memory_newest_of_type ON public.memory USING btree (tenant_id, memory_type, created_at, arrival) WHERE (NOT deleted);
CREATE INDEX search_newest ON public.search USING btree (tenant_id, number, length);
CREATE INDEX search_words ON public.search USING gin (words);
CREATE INDEX trace_age ON public.trace USING btree (tenant_id, created_at);
CREATE INDEX trace_newest ON public.trace USING btree (tenant_id, subject, created_at, id);
ALTER TABLE ONLY public.container
    ADD CONSTRAINT container_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenant(id);
ALTER TABLE ONLY public.embedding_due
    ADD CONSTRAINT embedding_due_search FOREIGN KEY (tenant_id, memory_id) REFERENCES public.search(tenant_id, memory_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.embedding
    ADD CONSTRAINT embedding_search FOREIGN KEY (tenant_id, memory_id) REFERENCES public.search(tenant_id, memory_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.memory
    ADD CONSTRAINT memory_container FOREIGN KEY (tenant_id, container_id) REFERENCES public.container(tenant_id, id);
ALTER TABLE ONLY public.search
    ADD CONSTRAINT search_memory FOREIGN KEY (tenant_id, memory_id) REFERENCES public.memory(tenant_id, id) ON DELETE CASCADE;
