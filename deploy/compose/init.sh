#!/bin/sh
# Run once by the postgres image, on an empty data directory.
set -eu
exec psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres \
	-v control_password="$CONTROL_PASSWORD" -v site_password="$SITE_PASSWORD" -f /holdfast/roles.sql
