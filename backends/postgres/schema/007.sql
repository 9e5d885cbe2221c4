-- SPDX-License-Identifier: Apache-2.0
-- Schema 7: what a proposal names by its hash and is too large for its payload, such as a policy's text.

ALTER TABLE ward.proposal ADD COLUMN attachment bytea NOT NULL DEFAULT '' CHECK (octet_length(attachment) <= 1048576);

UPDATE ward.deployment SET schema_version = 7;
INSERT INTO ward.migration (version) VALUES (7);
