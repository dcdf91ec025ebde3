package sqlstore

import (
	"context"
	"fmt"

	"holdfast/internal/sqldb"
)

// LogTenants names whose entries stand in the log from an index on, each once, and
// at most n; the empty name stands for the service's own. It reads no bodies.
func LogTenants(ctx context.Context, tx *sqldb.Tx, from int64, n int) ([]string, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT DISTINCT tenant FROM log_leaves WHERE leaf_index >= $1 ORDER BY tenant LIMIT %d`, max(n, 1)), from)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: read log: %w", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return nil, fmt.Errorf("sqlstore: read log: %w", err)
		}
		out = append(out, tenant)
	}
	return out, rows.Err()
}
