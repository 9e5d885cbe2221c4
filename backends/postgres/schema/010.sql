-- SPDX-License-Identifier: Apache-2.0
-- Schema 10: the key that signs the log changes; a kept answer says of each item which rule refused it.

-- Its versions after the first, which the deployment's row has; all are of that row's id. The entry
-- `leaf` tells of the change: a checkpoint that covers it is signed by this version.
CREATE TABLE ward.log_key (
    version integer PRIMARY KEY CHECK (version > 1),
    algorithm smallint NOT NULL CHECK (algorithm BETWEEN 0 AND 255),
    public_key bytea NOT NULL CHECK (octet_length(public_key) BETWEEN 1 AND 4096),
    leaf bigint NOT NULL UNIQUE CHECK (leaf > 0),
    proposal uuid NOT NULL UNIQUE,
    created_us bigint NOT NULL CHECK (created_us > 0)
);

ALTER TABLE ward.replay DROP CONSTRAINT replay_response_check,
    ADD CONSTRAINT replay_response_check CHECK (octet_length(response) <= 524288);

-- As in schema 9, and what is new.
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
            'ward.proposal, ward.vote, ward.replay, ward.revocation, ward.key_use, ward.node, '
            'ward.emergency, ward.log_key TO %I',
        'GRANT UPDATE (size, epoch, fence, frontier, sums, tag) ON ward.head TO %I',
        'GRANT UPDATE (enabled, rotation_period_days) ON ward.kek TO %I',
        'GRANT UPDATE (state, prior, due_us, changed_us, wraps) ON ward.kek_version TO %I',
        'GRANT UPDATE (ceased_us) ON ward.policy TO %I',
        'GRANT UPDATE (state) ON ward.proposal TO %I',
        'GRANT UPDATE (state, kek_version, wrapped) ON ward.subject_key TO %I',
        'GRANT UPDATE (issued, opened, last_opened_us) ON ward.key_use TO %I',
        'GRANT UPDATE (epoch, seen_us) ON ward.node TO %I',
        'GRANT UPDATE (closed_us) ON ward.emergency TO %I',
        'GRANT DELETE ON ward.intent, ward.replay, ward.revocation TO %I',
        'GRANT INSERT, UPDATE ON ward.job, ward.job_part TO %I',
        'GRANT DELETE ON ward.job_part TO %I',
        'GRANT EXECUTE ON FUNCTION ward.lay_out_job(uuid, smallint, uuid[]), '
            'ward.open_job(uuid, uuid, smallint, integer, integer, bigint, bigint, boolean, uuid[]), '
            'ward.end_job(uuid, integer, smallint, bigint, bigint, uuid[]), '
            'ward.rekey(uuid[], uuid[], integer[], bytea[], integer[], bytea[]) TO %I',
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.check_epoch(bigint), '
            'ward.expect_one(bigint), ward.refuse_commit(bigint), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ward FROM PUBLIC;
UPDATE ward.deployment SET schema_version = 10;
INSERT INTO ward.migration (version) VALUES (10);
