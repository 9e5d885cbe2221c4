-- SPDX-License-Identifier: Apache-2.0
-- Schema 3: the whole life of a key, versions of the policy with their approvals, what keys were used
-- for, which daemons live, and what authenticates the rows that decisions are made of.

-- prior and due_us belong to a pending destruction: the state to go back to, and the end of the wait.
ALTER TABLE ward.kek_version
    ADD COLUMN prior smallint NOT NULL DEFAULT 0 CHECK (prior BETWEEN 0 AND 7),
    ADD COLUMN due_us bigint NOT NULL DEFAULT 0 CHECK (due_us >= 0),
    ADD COLUMN changed_us bigint NOT NULL DEFAULT 0 CHECK (changed_us >= 0);
UPDATE ward.kek_version SET changed_us = created_us;

-- The proposal that brought it, all zero for the first. ceased_us 0: in force.
ALTER TABLE ward.policy
    ADD COLUMN proposal uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN ceased_us bigint NOT NULL DEFAULT 0 CHECK (ceased_us >= 0);

-- 6 approved, 7 withdrawn. Votes: 3 withdraw, 4 execute, 5 review; 6 is left for what comes.
ALTER TABLE ward.proposal DROP CONSTRAINT proposal_state_check,
    ADD CONSTRAINT proposal_state_check CHECK (state BETWEEN 1 AND 7);
ALTER TABLE ward.vote DROP CONSTRAINT vote_decision_check,
    ADD CONSTRAINT vote_decision_check CHECK (decision BETWEEN 0 AND 6);

-- What a version was used for, a row for each daemon so that none waits for another. Nearly every commit
-- writes here: as with the head, room on the page keeps a replacement there, and there are no checks.
CREATE TABLE ward.key_use (
    kek uuid NOT NULL,
    version integer NOT NULL,
    node text COLLATE "C" NOT NULL,
    issued bigint NOT NULL,
    opened bigint NOT NULL,
    last_opened_us bigint NOT NULL,
    PRIMARY KEY (kek, version, node)
) WITH (fillfactor = 25, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_threshold = 2000000000);

-- Each daemon's last word: the epoch that it has in force, and when it said so.
CREATE TABLE ward.node (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 256),
    epoch bigint NOT NULL CHECK (epoch >= 0),
    seen_us bigint NOT NULL CHECK (seen_us > 0)
) WITH (fillfactor = 50);

-- Keyed sums over the rows that decisions are made of, and what authenticates them with the head. Empty:
-- nobody has computed them yet.
ALTER TABLE ward.head
    ADD COLUMN sums bytea NOT NULL DEFAULT '',
    ADD COLUMN tag bytea NOT NULL DEFAULT '';
ALTER TABLE ward.head ALTER COLUMN sums SET STORAGE PLAIN, ALTER COLUMN tag SET STORAGE PLAIN;

-- As in schema 2, and what is new.
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
            'ward.proposal, ward.vote, ward.replay, ward.revocation, ward.key_use, ward.node TO %I',
        'GRANT UPDATE (size, epoch, fence, frontier, sums, tag) ON ward.head TO %I',
        'GRANT UPDATE (enabled, rotation_period_days) ON ward.kek TO %I',
        'GRANT UPDATE (state, prior, due_us, changed_us, wraps) ON ward.kek_version TO %I',
        'GRANT UPDATE (ceased_us) ON ward.policy TO %I',
        'GRANT UPDATE (state) ON ward.proposal TO %I',
        'GRANT UPDATE (state, kek_version, wrapped) ON ward.subject_key TO %I',
        'GRANT UPDATE (issued, opened, last_opened_us) ON ward.key_use TO %I',
        'GRANT UPDATE (epoch, seen_us) ON ward.node TO %I',
        'GRANT DELETE ON ward.intent, ward.replay, ward.revocation TO %I',
        'GRANT EXECUTE ON FUNCTION ward.refuse_head(bigint), ward.check_epoch(bigint), '
            'ward.expect_one(bigint), ward.refuse_commit(bigint), '
            'ward.insert_records(bytea[], integer[], uuid[], integer[], bigint[], bytea[]) TO %I']
    LOOP
        EXECUTE format(statement, daemon);
    END LOOP;
END
$$;

UPDATE ward.deployment SET schema_version = 3;
INSERT INTO ward.migration (version) VALUES (3);
