-- SPDX-License-Identifier: Apache-2.0
-- Schema 13: daemons tell each other from where client certificates are in use.
ALTER TABLE ward.head RENAME COLUMN schema_12 TO schema_13;

-- Nothing is decided by these rows, and they live for minutes: what a crash of the server takes was old anyway, and
-- no other row waits for their way to the disk. Times are of the database's clock.
CREATE UNLOGGED TABLE ward.sighting (
    certificate bytea NOT NULL CHECK (octet_length(certificate) = 32), -- SHA-256
    node text NOT NULL CHECK (octet_length(node) BETWEEN 1 AND 256),
    place bytea NOT NULL CHECK (octet_length(place) = 16), -- an address of IPv4, mapped, or a /64 of IPv6
    since_us bigint NOT NULL,
    heard_us bigint NOT NULL,
    PRIMARY KEY (certificate, node, place)
) WITH (fillfactor = 50); -- most of what is written is written over again, within its page

-- As in schema 11, with what is new.
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
        'GRANT INSERT, DELETE ON ward.sighting TO %I',
        'GRANT UPDATE (since_us, heard_us) ON ward.sighting TO %I',
        'GRANT DELETE ON ward.job_part TO %I',
        'GRANT EXECUTE ON FUNCTION ward.lay_out_job(uuid, smallint, uuid[]), '
            'ward.open_job(uuid, uuid, smallint, integer, integer, bigint, bigint, boolean, uuid[]), '
            'ward.end_job(uuid, integer, smallint, bigint, bigint, uuid[]), '
            'ward.rekey(uuid[], uuid[], integer[], bytea[], integer[], bytea[]) TO %I',
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.expect_one(bigint), '
            'ward.refuse_commit(bigint), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ward FROM PUBLIC;
UPDATE ward.deployment SET schema_version = 13;
INSERT INTO ward.migration (version) VALUES (13);
