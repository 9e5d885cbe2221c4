-- SPDX-License-Identifier: Apache-2.0
-- Schema 8: a rewrap writes a quarter less to PostgreSQL's log. An UPDATE that stays on its page logs the row
-- from its first changed byte to its last. So what a rewrap changes stands together at the end, behind
-- what it leaves: the wrapped key, whose header begins with what stays, and the version.
CREATE TABLE ward.subject_key_anew (
    id uuid PRIMARY KEY,
    kek uuid NOT NULL REFERENCES ward.kek,
    generation integer NOT NULL CHECK (generation > 0),
    state smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2)),
    subject_hash bytea NOT NULL CHECK (octet_length(subject_hash) = 32),
    collection text COLLATE "C" NOT NULL CHECK (octet_length(collection) BETWEEN 1 AND 128),
    wrapped bytea NOT NULL CHECK (octet_length(wrapped) BETWEEN 1 AND 4096),
    kek_version integer NOT NULL CHECK (kek_version > 0),
    UNIQUE (subject_hash, generation)
) WITH (fillfactor = 70);
INSERT INTO ward.subject_key_anew (id, kek, generation, state, subject_hash, collection, wrapped, kek_version)
SELECT id, kek, generation, state, subject_hash, collection, wrapped, kek_version FROM ward.subject_key;
DROP TABLE ward.subject_key;
ALTER TABLE ward.subject_key_anew RENAME TO subject_key;
ALTER INDEX ward.subject_key_anew_pkey RENAME TO subject_key_pkey;
ALTER INDEX ward.subject_key_anew_subject_hash_generation_key RENAME TO subject_key_subject_hash_generation_key;
CREATE INDEX subject_key_kek ON ward.subject_key (kek, id);

UPDATE ward.deployment SET schema_version = 8;
INSERT INTO ward.migration (version) VALUES (8);
