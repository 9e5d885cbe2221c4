-- SPDX-License-Identifier: Apache-2.0
-- Schema 6: long work that daemons share. What the columns mean is in backends/store_jobs.h.

-- state: 1 runs, 2 done, 3 stuck (rows are left that cannot be moved), 4 superseded.
CREATE TABLE ward.job (
    id uuid PRIMARY KEY,
    kek uuid NOT NULL REFERENCES ward.kek,
    kind smallint NOT NULL CHECK (kind IN (1, 2)),
    target_version integer NOT NULL CHECK (target_version > 0),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    parts integer NOT NULL CHECK (parts IN (1, 2, 4, 8, 16, 32, 64)),
    urgent integer NOT NULL CHECK (urgent >= 0),
    round integer NOT NULL CHECK (round > 0),
    total bigint NOT NULL CHECK (total >= 0),
    done bigint NOT NULL CHECK (done >= 0),
    rows_left bigint NOT NULL CHECK (rows_left >= 0),
    created_us bigint NOT NULL CHECK (created_us > 0),
    ended_us bigint NOT NULL,
    UNIQUE (kek, kind, target_version)
);
CREATE INDEX job_running ON ward.job (created_us) WHERE state = 1;

-- Written with every page of rows, so without checks, whose text every statement would compile anew.
CREATE TABLE ward.job_part (
    job uuid NOT NULL REFERENCES ward.job,
    part integer NOT NULL,
    pass smallint NOT NULL,
    cursor uuid NOT NULL,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    node text COLLATE "C" NOT NULL DEFAULT '',
    lease_us bigint NOT NULL DEFAULT 0,
    finished boolean NOT NULL DEFAULT false,
    PRIMARY KEY (job, part)
) WITH (fillfactor = 50);

-- All parts from the start, the count behind them. What they had done is kept in the job.
CREATE FUNCTION ward.lay_out_job(of_job uuid, first_pass smallint, cursors uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ward.job SET done = done + coalesce(
        (SELECT sum(p.done) FROM ward.job_part p WHERE p.job = of_job), 0) WHERE id = of_job;
    DELETE FROM ward.job_part WHERE job = of_job;
    INSERT INTO ward.job_part (job, part, pass, cursor)
    SELECT of_job, c.number - 1, first_pass, c.cursor
    FROM unnest(cursors) WITH ORDINALITY AS c (cursor, number);
END
$$;

-- Idempotent: one that runs already is left alone, unless more versions have become urgent.
CREATE FUNCTION ward.open_job(new_id uuid, of_kek uuid, new_kind smallint, version integer,
                              new_urgent integer, to_move bigint, now_us bigint, again boolean,
                              cursors uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    old ward.job;
    first_pass smallint := CASE WHEN new_urgent > 0 THEN 0 ELSE 1 END;
BEGIN
    UPDATE ward.job SET state = 4, ended_us = now_us
    WHERE kek = of_kek AND kind = new_kind AND target_version < version AND state IN (1, 3);
    INSERT INTO ward.job (id, kek, kind, target_version, state, parts, urgent, round, total, done,
                          rows_left, created_us, ended_us)
    VALUES (new_id, of_kek, new_kind, version, 1, cardinality(cursors) - 1, new_urgent, 1, to_move, 0,
            to_move, now_us, 0)
    ON CONFLICT (kek, kind, target_version) DO NOTHING;
    IF FOUND THEN
        PERFORM ward.lay_out_job(new_id, first_pass, cursors);
        RETURN;
    END IF;
    SELECT * INTO STRICT old FROM ward.job
    WHERE kek = of_kek AND kind = new_kind AND target_version = version FOR UPDATE;
    IF old.state = 4 OR NOT (again AND old.state <> 1) AND new_urgent <= old.urgent THEN
        RETURN;
    END IF;
    PERFORM ward.lay_out_job(old.id, first_pass, cursors);
    UPDATE ward.job SET state = 1, parts = cardinality(cursors) - 1, urgent = new_urgent, round = 1,
        total = done + to_move, rows_left = to_move, ended_us = 0
    WHERE id = old.id;
END
$$;

-- After the count: over, or all parts once more (then there are cursors).
CREATE FUNCTION ward.end_job(of_job uuid, old_round integer, new_state smallint, counted bigint,
                             now_us bigint, cursors uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ward.job SET state = new_state, rows_left = counted,
        round = round + CASE WHEN new_state = 1 THEN 1 ELSE 0 END,
        ended_us = CASE WHEN new_state = 1 THEN 0 ELSE now_us END
    WHERE id = of_job AND state = 1 AND round = old_round;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'WD003', MESSAGE = 'the job is not as it was';
    END IF;
    IF new_state = 1 THEN
        PERFORM ward.lay_out_job(of_job, 1::smallint, cursors);
    ELSE
        UPDATE ward.job_part p SET finished = true FROM ward.job j
        WHERE j.id = of_job AND p.job = j.id AND p.part = j.parts;
    END IF;
END
$$;

-- As in schema 5, and what is new: jobs tell how far long work is, and nothing is decided by them.
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
            'ward.end_job(uuid, integer, smallint, bigint, bigint, uuid[]) TO %I',
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.check_epoch(bigint), '
            'ward.expect_one(bigint), ward.refuse_commit(bigint), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ward FROM PUBLIC;
UPDATE ward.deployment SET schema_version = 6;
INSERT INTO ward.migration (version) VALUES (6);
