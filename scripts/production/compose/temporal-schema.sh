#!/bin/sh
# Brings both databases of the Temporal server to the schema of this release. Safe to repeat: an existing schema is
# only updated. The connection comes from SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD.
set -eu

for name in temporal visibility; do
  if [ "$name" = temporal ]; then database=temporal; else database=temporal_visibility; fi
  temporal-sql-tool --database "$database" setup-schema --version 0.0
  temporal-sql-tool --database "$database" update-schema --schema-name "postgresql/v12/$name"
done
