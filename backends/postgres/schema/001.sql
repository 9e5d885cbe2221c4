-- SPDX-License-Identifier: Apache-2.0
-- Schema 1. Run once, in one transaction, by the owner's role, which no daemon has. The daemon's role
-- may add rows, and change only the columns that ward.grant_daemon names: entries and records stay as
-- they were written. Names are compared byte by byte (COLLATE "C"), as the program does.

CREATE SCHEMA ward;
REVOKE ALL ON SCHEMA ward FROM PUBLIC;

CREATE TABLE ward.migration (
    version integer PRIMARY KEY CHECK (version > 0),
    applied timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ward.deployment (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id uuid NOT NULL,
    origin text COLLATE "C" NOT NULL CHECK (octet_length(origin) BETWEEN 1 AND 1024),
    genesis_policy_hash bytea NOT NULL CHECK (octet_length(genesis_policy_hash) = 32),
    schema_version integer NOT NULL CHECK (schema_version > 0),
    log_key uuid NOT NULL,
    log_algorithm smallint NOT NULL CHECK (log_algorithm BETWEEN 0 AND 255),
    log_public_key bytea NOT NULL CHECK (octet_length(log_public_key) BETWEEN 1 AND 4096),
    created_us bigint NOT NULL CHECK (created_us > 0)
);

-- One row that every commit replaces: room on its page keeps the replacement there (HOT), and pruning
-- keeps the chain short. `fence` moves when a doubtful commit was resolved: whatever of it may still be
-- on its way to the server then finds another fence, and rolls back.
CREATE TABLE ward.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL CHECK (size >= 0),
    epoch bigint NOT NULL CHECK (epoch >= 0),
    fence bigint NOT NULL CHECK (fence >= 0),
    frontier bytea NOT NULL
        CHECK (octet_length(frontier) % 32 = 0 AND octet_length(frontier) <= 2016)
) WITH (fillfactor = 25, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_threshold = 2000000000);
ALTER TABLE ward.head ALTER COLUMN frontier SET STORAGE PLAIN;
INSERT INTO ward.head (size, epoch, fence, frontier) VALUES (0, 0, 0, '');

-- A row holds the leaves of one batch, each with its size (u16) before it. MAIN: compressed, and kept in
-- the row as long as it fits a page. Partitions, so that the old part can be moved or dropped whole.
CREATE TABLE ward.audit_batch (
    first bigint PRIMARY KEY CHECK (first >= 0),
    count integer NOT NULL CHECK (count > 0),
    leaves bytea COMPRESSION lz4 NOT NULL CHECK (octet_length(leaves) BETWEEN 2 AND 67108864)
) PARTITION BY RANGE (first);
ALTER TABLE ward.audit_batch ALTER COLUMN leaves SET STORAGE MAIN;
CREATE TABLE ward.audit_batch_0 PARTITION OF ward.audit_batch FOR VALUES FROM (0) TO (1000000000)
    WITH (fillfactor = 100);
CREATE TABLE ward.audit_batch_rest PARTITION OF ward.audit_batch DEFAULT WITH (fillfactor = 100);

CREATE TABLE ward.checkpoint (
    size bigint PRIMARY KEY CHECK (size >= 0),
    note bytea NOT NULL CHECK (octet_length(note) BETWEEN 1 AND 65536),
    created_us bigint NOT NULL CHECK (created_us > 0)
);

CREATE TABLE ward.policy (
    version integer PRIMARY KEY CHECK (version > 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    text bytea NOT NULL CHECK (octet_length(text) BETWEEN 1 AND 16777216),
    created_us bigint NOT NULL CHECK (created_us > 0)
);

CREATE TABLE ward.kek (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 128),
    backend text COLLATE "C" NOT NULL CHECK (octet_length(backend) BETWEEN 1 AND 128),
    purpose smallint NOT NULL CHECK (purpose BETWEEN 1 AND 3),
    enabled boolean NOT NULL,
    rotation_period_days integer NOT NULL CHECK (rotation_period_days >= 0),
    created_us bigint NOT NULL CHECK (created_us > 0)
);

CREATE TABLE ward.kek_version (
    kek uuid NOT NULL REFERENCES ward.kek,
    version integer NOT NULL CHECK (version > 0),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 7),
    created_us bigint NOT NULL CHECK (created_us > 0),
    PRIMARY KEY (kek, version)
);

-- What is about to be done in the HSM, written before it is done. Two daemons cannot intend the same.
CREATE TABLE ward.intent (
    id uuid PRIMARY KEY,
    effect smallint NOT NULL CHECK (effect > 0),
    kek uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    proposal uuid NOT NULL,
    node text COLLATE "C" NOT NULL CHECK (octet_length(node) BETWEEN 1 AND 256),
    created_us bigint NOT NULL CHECK (created_us > 0),
    UNIQUE (kek, version, effect)
);

CREATE TABLE ward.index_key (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 128),
    wrapped bytea NOT NULL CHECK (octet_length(wrapped) BETWEEN 1 AND 4096)
);

-- The narrow table that rotation rewraps: no index holds kek_version or wrapped, so that a rewrap stays
-- on its page. state: 1 active, 2 retired (opens what it sealed, seals nothing new).
CREATE TABLE ward.subject_key (
    id uuid PRIMARY KEY,
    kek uuid NOT NULL REFERENCES ward.kek,
    generation integer NOT NULL CHECK (generation > 0),
    kek_version integer NOT NULL CHECK (kek_version > 0),
    state smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2)),
    subject_hash bytea NOT NULL CHECK (octet_length(subject_hash) = 32),
    collection text COLLATE "C" NOT NULL CHECK (octet_length(collection) BETWEEN 1 AND 128),
    wrapped bytea NOT NULL CHECK (octet_length(wrapped) BETWEEN 1 AND 4096),
    UNIQUE (subject_hash, generation)
) WITH (fillfactor = 70);
CREATE INDEX subject_key_kek ON ward.subject_key (kek, id);

-- EXTERNAL: ciphertext does not compress. subject_key names ward.subject_key without a foreign key, whose
-- triggers take a third of the time of a put: ward.insert_records inserts by joining it, and every commit
-- takes the head first, so that nobody ends a subject key between the two.
CREATE TABLE ward.record (
    id_hash bytea NOT NULL CHECK (octet_length(id_hash) = 32),
    version integer NOT NULL CHECK (version > 0),
    subject_key uuid NOT NULL,
    schema_version integer NOT NULL CHECK (schema_version > 0),
    created_us bigint NOT NULL CHECK (created_us > 0),
    sealed bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 16777216),
    PRIMARY KEY (id_hash, version)
);
ALTER TABLE ward.record ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE ward.proposal (
    id uuid PRIMARY KEY,
    payload bytea NOT NULL CHECK (octet_length(payload) BETWEEN 1 AND 1048576),
    proposer text COLLATE "C" NOT NULL CHECK (octet_length(proposer) BETWEEN 1 AND 1024),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 5),
    created_us bigint NOT NULL CHECK (created_us > 0),
    expires_us bigint NOT NULL CHECK (expires_us > created_us)
);
CREATE INDEX proposal_created ON ward.proposal (created_us, id);

-- One identity agrees once, so that who proposed cannot approve; it may still reject.
CREATE TABLE ward.vote (
    proposal uuid NOT NULL REFERENCES ward.proposal,
    identity text COLLATE "C" NOT NULL CHECK (octet_length(identity) BETWEEN 1 AND 1024),
    decision smallint NOT NULL CHECK (decision BETWEEN 0 AND 2),
    signature bytea NOT NULL CHECK (octet_length(signature) BETWEEN 1 AND 4096),
    certificate bytea NOT NULL CHECK (octet_length(certificate) BETWEEN 1 AND 65536),
    created_us bigint NOT NULL CHECK (created_us > 0),
    PRIMARY KEY (proposal, identity, decision)
);
CREATE UNIQUE INDEX vote_agrees_once ON ward.vote (proposal, identity) WHERE decision IN (0, 1);

-- Why a commit cannot be, said so that the COMMIT behind it in the same round trip becomes a rollback:
-- WD001 the head moved, WD002 the epoch moved, WD003 an effect met somebody else's row,
-- WD004 the server no longer writes durably.

CREATE FUNCTION ward.refuse_head(old_epoch bigint) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF (SELECT epoch FROM ward.head WHERE one) IS DISTINCT FROM old_epoch THEN
        RAISE EXCEPTION USING ERRCODE = 'WD002', MESSAGE = 'the epoch moved';
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'WD001', MESSAGE = 'the head moved';
END
$$;

-- The head after a batch, and the batch's audit row. The row comes second: two daemons that append the
-- same numbers meet at the head, not at the unique index.
CREATE FUNCTION ward.advance_head(old_size bigint, n integer, new_leaves bytea, old_epoch bigint,
                                  old_fence bigint, new_frontier bytea, bump boolean) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF current_setting('fsync') <> 'on' OR current_setting('full_page_writes') <> 'on'
       OR current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        RAISE EXCEPTION USING ERRCODE = 'WD004', MESSAGE = 'the server does not write durably';
    END IF;
    UPDATE ward.head
    SET size = old_size + n, epoch = old_epoch + bump::integer, frontier = new_frontier
    WHERE one AND size = old_size AND epoch = old_epoch AND fence = old_fence;
    IF NOT FOUND THEN
        PERFORM ward.refuse_head(old_epoch);
    END IF;
    INSERT INTO ward.audit_batch (first, count, leaves) VALUES (old_size, n, new_leaves);
END
$$;

-- For a commit that appends nothing: the epoch, held until the end of the transaction.
CREATE FUNCTION ward.check_epoch(old_epoch bigint) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM 1 FROM ward.head WHERE one AND epoch = old_epoch FOR SHARE;
    IF NOT FOUND THEN
        PERFORM ward.refuse_head(old_epoch);
    END IF;
END
$$;

CREATE FUNCTION ward.expect_one(n bigint) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF n IS DISTINCT FROM 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'WD003', MESSAGE = 'the row is not as it was';
    END IF;
END
$$;

-- A record goes in only when its subject key is there and active; sorted by key by the caller.
CREATE FUNCTION ward.insert_records(id_hashes bytea[], versions integer[], subject_keys uuid[],
                                    schema_versions integer[], created bigint[], seals bytea[])
RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    n bigint;
BEGIN
    INSERT INTO ward.record (id_hash, version, subject_key, schema_version, created_us, sealed)
    SELECT r.id_hash, r.version, r.subject_key, r.schema_version, r.created_us, r.sealed
    FROM unnest(id_hashes, versions, subject_keys, schema_versions, created, seals)
        AS r (id_hash, version, subject_key, schema_version, created_us, sealed)
    JOIN ward.subject_key s ON s.id = r.subject_key AND s.state = 1;
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n <> cardinality(id_hashes) THEN
        RAISE EXCEPTION USING ERRCODE = 'WD003', MESSAGE = 'a subject key is not active';
    END IF;
END
$$;

-- What the daemon's role may do; idempotent. Never DELETE or UPDATE of entries, records, votes, policy.
CREATE FUNCTION ward.grant_daemon(daemon text) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    statement text;
BEGIN
    FOREACH statement IN ARRAY ARRAY[
        'REVOKE ALL ON ALL TABLES IN SCHEMA ward FROM %I',
        'GRANT USAGE ON SCHEMA ward TO %I',
        'GRANT SELECT ON ALL TABLES IN SCHEMA ward TO %I',
        'GRANT INSERT ON ward.deployment, ward.audit_batch, ward.checkpoint, ward.policy, ward.kek, '
            'ward.kek_version, ward.intent, ward.index_key, ward.subject_key, ward.record, '
            'ward.proposal, ward.vote TO %I',
        'GRANT UPDATE (size, epoch, fence, frontier) ON ward.head TO %I',
        'GRANT UPDATE (enabled, rotation_period_days) ON ward.kek TO %I',
        'GRANT UPDATE (state) ON ward.kek_version TO %I',
        'GRANT UPDATE (state) ON ward.proposal TO %I',
        'GRANT UPDATE (state, kek_version, wrapped) ON ward.subject_key TO %I',
        'GRANT DELETE ON ward.intent TO %I',
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.check_epoch(bigint), '
            'ward.expect_one(bigint), '
            'ward.advance_head(bigint, integer, bytea, bigint, bigint, bytea, boolean), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ward FROM PUBLIC;
INSERT INTO ward.migration (version) VALUES (1);
