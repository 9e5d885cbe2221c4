-- SPDX-License-Identifier: Apache-2.0
-- Schema 4: why somebody rejected, withdrew or reviewed. His signature covers its digest.
ALTER TABLE ward.vote
    ADD COLUMN reason text COLLATE "C" NOT NULL DEFAULT '' CHECK (octet_length(reason) <= 256);

UPDATE ward.deployment SET schema_version = 4;
INSERT INTO ward.migration (version) VALUES (4);
