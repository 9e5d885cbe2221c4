-- SPDX-License-Identifier: Apache-2.0
-- Schema 12: a rewrap finds the rows of a page of its own on few pages of the table.
ALTER TABLE ward.head RENAME COLUMN schema_11 TO schema_12;

-- New rows lie in the order of their ids. And a page has room to write each of its rows once more in one
-- transaction, since what a transaction replaces goes when it has ended, and no sooner: at 70 less than half of
-- a page's rows stayed there. Rows of before stay where they are, for to move them takes as long as there are
-- many, and the owner can choose when (wardd.8).
ALTER TABLE ward.subject_key SET (fillfactor = 45);

UPDATE ward.deployment SET schema_version = 12;
INSERT INTO ward.migration (version) VALUES (12);
