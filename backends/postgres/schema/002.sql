-- SPDX-License-Identifier: Apache-2.0
-- Schema 2: how often a version has wrapped, answers kept for requests that are sent again, who was
-- revoked, and a commit that costs less.

-- Reserved by all nodes together, ahead of use, so never less than was wrapped. What earlier versions of
-- this program wrapped was not counted: an entry tells of at most 1000 wraps, and half of what SP 800-38D
-- allows is where a version is rotated in any case.
ALTER TABLE ward.kek_version ADD COLUMN wraps bigint NOT NULL DEFAULT 0 CHECK (wraps >= 0);
UPDATE ward.kek_version SET wraps = least((SELECT size FROM ward.head WHERE one) * 1000, 2147483648);

-- What a changing request was answered, without secrets, kept for a day. The key is what makes sure that
-- it happens once.
CREATE TABLE ward.replay (
    identity text COLLATE "C" NOT NULL CHECK (octet_length(identity) BETWEEN 1 AND 1024),
    request_id text COLLATE "C" NOT NULL CHECK (octet_length(request_id) BETWEEN 1 AND 64),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    response bytea NOT NULL CHECK (octet_length(response) <= 65536),
    created_us bigint NOT NULL CHECK (created_us > 0),
    PRIMARY KEY (identity, request_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX replay_created ON ward.replay (created_us);

-- Identities (1) and certificates by their SHA-256 in hex (2) that no connection may use.
CREATE TABLE ward.revocation (
    kind smallint NOT NULL CHECK (kind IN (1, 2)),
    value text COLLATE "C" NOT NULL CHECK (octet_length(value) BETWEEN 1 AND 1024),
    proposal uuid NOT NULL,
    created_us bigint NOT NULL CHECK (created_us > 0),
    PRIMARY KEY (kind, value)
);

-- A commit is a plain statement now, which calls this only when it finds the head other than it must be.
-- In vain it looks: then what it found has changed back, and the same again will do.
CREATE FUNCTION ward.refuse_commit(old_epoch bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('fsync') <> 'on' OR current_setting('full_page_writes') <> 'on'
       OR current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        RAISE EXCEPTION USING ERRCODE = 'WD004', MESSAGE = 'the server does not write durably';
    END IF;
    PERFORM ward.refuse_head(old_epoch);
    RETURN NULL;
END
$$;
DROP FUNCTION ward.advance_head(bigint, integer, bytea, bigint, bigint, bytea, boolean);

-- Every statement that writes reads the text of a table's checks anew and compiles it, and every commit
-- writes these two. What they forbade the program does not send, and a writer of the database who means
-- harm is found by the tree and not by a check.
ALTER TABLE ward.head DROP CONSTRAINT head_one_check, DROP CONSTRAINT head_size_check,
    DROP CONSTRAINT head_epoch_check, DROP CONSTRAINT head_fence_check,
    DROP CONSTRAINT head_frontier_check;
ALTER TABLE ward.audit_batch DROP CONSTRAINT audit_batch_first_check,
    DROP CONSTRAINT audit_batch_count_check, DROP CONSTRAINT audit_batch_leaves_check;

-- The daemon's sessions have no search path, and these functions run with their caller's rights: setting
-- it again and back costs more than what they do.
ALTER FUNCTION ward.refuse_head(bigint) RESET ALL;
ALTER FUNCTION ward.check_epoch(bigint) RESET ALL;
ALTER FUNCTION ward.expect_one(bigint) RESET ALL;
ALTER FUNCTION ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) RESET ALL;

-- As in schema 1, and what is new.
CREATE OR REPLACE FUNCTION ward.grant_daemon(daemon text) RETURNS void
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
            'ward.proposal, ward.vote, ward.replay, ward.revocation TO %I',
        'GRANT UPDATE (size, epoch, fence, frontier) ON ward.head TO %I',
        'GRANT UPDATE (enabled, rotation_period_days) ON ward.kek TO %I',
        'GRANT UPDATE (state, wraps) ON ward.kek_version TO %I',
        'GRANT UPDATE (state) ON ward.proposal TO %I',
        'GRANT UPDATE (state, kek_version, wrapped) ON ward.subject_key TO %I',
        'GRANT DELETE ON ward.intent, ward.replay, ward.revocation TO %I',
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.check_epoch(bigint), '
            'ward.expect_one(bigint), ward.refuse_commit(bigint), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ward FROM PUBLIC;
UPDATE ward.deployment SET schema_version = 2;
INSERT INTO ward.migration (version) VALUES (2);
