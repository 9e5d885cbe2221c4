-- SPDX-License-Identifier: Apache-2.0
-- Schema 11: a daemon of another schema commits nothing, though it was connected before; leases end by the
-- database's clock.

-- Each schema gives this column its own number, and every statement that reads or moves the head names it:
-- those that another program prepared are not even understood from the migration's commit on. It costs a
-- commit nothing. So functions that outlive a schema do not name it.
ALTER TABLE ward.head RENAME COLUMN one TO schema_11;

CREATE OR REPLACE FUNCTION ward.refuse_head(old_epoch bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT epoch FROM ward.head) IS DISTINCT FROM old_epoch THEN
        RAISE EXCEPTION USING ERRCODE = 'WD002', MESSAGE = 'the epoch moved';
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'WD001', MESSAGE = 'the head moved';
END
$$;
-- A statement of its own now, which names the column.
DROP FUNCTION ward.check_epoch(bigint);

-- By the clock of whoever held it, before; a program that would write so finds no such column.
ALTER TABLE ward.job_part RENAME COLUMN lease_us TO leased_until_us;

-- As in schema 10, without what is gone.
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
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.expect_one(bigint), '
            'ward.refuse_commit(bigint), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ward FROM PUBLIC;
UPDATE ward.deployment SET schema_version = 11;
INSERT INTO ward.migration (version) VALUES (11);
