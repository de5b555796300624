-- Up Migration

-- Revocation lists of authorities that may vouch for agents, PEM: where there are any, a chain must be cleared by them.
ALTER TABLE trust_bundles ADD COLUMN x509_crls text[] NOT NULL DEFAULT '{}';
