-- SPDX-License-Identifier: Apache-2.0
-- Schema 5: access in emergencies.

-- Who may see whom, and until when. closed_us 0: nobody has ended it and nobody has noticed that it is
-- over; those are what every daemon decides with. The proposal of the same id is what officers review.
CREATE TABLE ward.emergency (
    id uuid PRIMARY KEY REFERENCES ward.proposal,
    identity text COLLATE "C" NOT NULL CHECK (octet_length(identity) BETWEEN 1 AND 1024),
    collection text COLLATE "C" NOT NULL CHECK (octet_length(collection) BETWEEN 1 AND 128),
    subject_hash bytea NOT NULL CHECK (octet_length(subject_hash) = 32),
    opened_us bigint NOT NULL CHECK (opened_us > 0),
    expires_us bigint NOT NULL CHECK (expires_us > opened_us),
    closed_us bigint NOT NULL DEFAULT 0 CHECK (closed_us >= 0)
);
CREATE INDEX emergency_open ON ward.emergency (id) WHERE closed_us = 0;
CREATE INDEX emergency_opened ON ward.emergency (opened_us DESC, id DESC);

-- As in schema 3, and what is new.
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
            'ward.emergency TO %I',
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
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.check_epoch(bigint), '
            'ward.expect_one(bigint), ward.refuse_commit(bigint), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ward FROM PUBLIC;
UPDATE ward.deployment SET schema_version = 5;
INSERT INTO ward.migration (version) VALUES (5);
