-- SPDX-License-Identifier: Apache-2.0
-- Schema 12: a rewrap finds the rows of a page of its own on few pages of the table.
ALTER TABLE ward.head RENAME COLUMN schema_11 TO schema_12;

-- Rows lie in the order of their ids, which new ones have as they are written. And a page has room to write
-- each of its rows once more in one transaction, since what a transaction replaces goes when it has ended,
-- and no sooner: at 70 less than half of a page's rows stayed there.
ALTER TABLE ward.subject_key SET (fillfactor = 45);
CLUSTER ward.subject_key USING subject_key_kek;
ALTER TABLE ward.subject_key SET WITHOUT CLUSTER;

UPDATE ward.deployment SET schema_version = 12;
INSERT INTO ward.migration (version) VALUES (12);
