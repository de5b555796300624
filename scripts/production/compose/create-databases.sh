#!/bin/bash
# Runs once, when the PostgreSQL volume is empty: one role per owner, none of them the superuser, and its databases.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set prokura_password="$PROKURA_DB_PASSWORD" --set temporal_password="$TEMPORAL_DB_PASSWORD" <<'SQL'
CREATE ROLE prokura LOGIN PASSWORD :'prokura_password';
CREATE DATABASE prokura OWNER prokura;
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE prokura, temporal, temporal_visibility FROM PUBLIC;
SQL
