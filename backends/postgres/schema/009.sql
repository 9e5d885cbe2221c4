-- SPDX-License-Identifier: Apache-2.0
-- Schema 9: records move to new generations of their subject keys.

-- Which run of a rekey of its KEK was the last one opened when the key was made, as of the order that the
-- head gives: a run replaces the keys that know only runs before it. Behind what a rewrap changes.
ALTER TABLE ward.subject_key ADD COLUMN run integer NOT NULL DEFAULT 0;
CREATE INDEX record_subject_key ON ward.record (subject_key);

-- Those that run and those that are stuck, which every daemon looks at once a second.
DROP INDEX ward.job_running;
CREATE INDEX job_open ON ward.job (created_us) WHERE state IN (1, 3);

-- All that a rekey does to records and to the keys that sealed them, with the owner's rights, so that the
-- daemon's role has none to UPDATE a record or to DELETE a key: each record goes from the key that it names
-- to the newest generation of the same subject, of the same KEK, which alone seals from now on; a key goes
-- when no record names it. The generation itself was inserted before. Whatever is not as it was raises.
CREATE FUNCTION ward.rekey(old_keys uuid[], new_keys uuid[], of_key integer[], id_hashes bytea[],
                           versions integer[], seals bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    nothing uuid := '00000000-0000-0000-0000-000000000000';
    strange bigint;
    moved bigint;
BEGIN
    SELECT count(*) INTO strange FROM unnest(old_keys, new_keys) AS k (old, new)
    WHERE k.new <> nothing AND NOT EXISTS (
        SELECT FROM ward.subject_key o JOIN ward.subject_key n ON n.subject_hash = o.subject_hash
        WHERE o.id = k.old AND n.id = k.new AND n.kek = o.kek AND n.generation > o.generation
        AND n.state = 1);
    UPDATE ward.record r SET subject_key = new_keys[n.of_key], sealed = n.sealed
    FROM unnest(id_hashes, versions, of_key, seals) AS n (id_hash, version, of_key, sealed)
    WHERE r.id_hash = n.id_hash AND r.version = n.version AND r.subject_key = old_keys[n.of_key]
    AND new_keys[n.of_key] <> nothing;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF strange <> 0 OR moved <> cardinality(id_hashes) THEN
        RAISE EXCEPTION USING ERRCODE = 'WD003', MESSAGE = 'a record or its key is not as it was';
    END IF;
    DELETE FROM ward.subject_key s USING unnest(old_keys) AS k (old)
    WHERE s.id = k.old AND NOT EXISTS (SELECT FROM ward.record r WHERE r.subject_key = s.id);
    UPDATE ward.subject_key o SET state = 2
    FROM unnest(new_keys) AS k (new) JOIN ward.subject_key n ON n.id = k.new
    WHERE o.subject_hash = n.subject_hash AND o.generation < n.generation AND o.state = 1;
END
$$;

-- As in schema 6, and what is new.
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
UPDATE ward.deployment SET schema_version = 9;
INSERT INTO ward.migration (version) VALUES (9);
