package sqlstore

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
)

// HoldKind says why a hold lies. The zero value is invalid.
type HoldKind string

// The kinds of hold.
const (
	// LegalHold was placed by a person.
	LegalHold HoldKind = "legal"
	// AutomaticHold was placed on the suspicion of an attack.
	AutomaticHold HoldKind = "automatic"
)

// Hold keeps everything of a tenant, or of one volume, from deletion and reclaim.
type Hold struct {
	// ID is a quorum.HoldID, or the id of the stop that placed it, in text form.
	ID     string
	Tenant string
	// Volume narrows the hold; empty means the whole tenant.
	Volume   string
	Kind     HoldKind
	Reason   string
	PlacedBy string
	At       time.Time
}

// PlaceHold is instant (I5). The same hold again is no error and not fresh.
func PlaceHold(ctx context.Context, tx *sqldb.Tx, h Hold) (fresh bool, err error) {
	if h.ID == "" || h.Tenant == "" || h.PlacedBy == "" || (h.Kind != LegalHold && h.Kind != AutomaticHold) {
		return false, fmt.Errorf("%w: hold", quorum.ErrEvent)
	}
	n, err := tx.Exec(ctx, `INSERT INTO holds (id, tenant, volume, kind, reason, placed_by, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, h.ID, h.Tenant, h.Volume, string(h.Kind), h.Reason, h.PlacedBy, sqldb.Micros(h.At))
	if err != nil || n == 1 {
		return n == 1, err
	}
	var tenant, volume string
	if err := tx.QueryRow(ctx, `SELECT tenant, volume FROM holds WHERE id = $1`, h.ID).Scan(&tenant, &volume); err != nil {
		return false, notFound(err)
	}
	if tenant != h.Tenant || volume != h.Volume {
		return false, fmt.Errorf("%w: hold %s", quorum.ErrConflict, h.ID)
	}
	return false, nil
}

// ReleaseHold records that the gated decision of a request ended a hold.
func ReleaseHold(ctx context.Context, tx *sqldb.Tx, hold, request string, at time.Time) error {
	return endOnce(ctx, tx, `INSERT INTO hold_ends (hold, request, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		`SELECT request FROM hold_ends WHERE hold = $1`, hold, request, at)
}

// HoldsInForce are a tenant's holds, oldest first; an empty tenant asks for all.
func HoldsInForce(ctx context.Context, tx *sqldb.Tx, tenant string) ([]Hold, error) {
	rows, err := tx.Query(ctx, `SELECT h.id, h.tenant, h.volume, h.kind, h.reason, h.placed_by, h.at FROM holds h
		LEFT JOIN hold_ends e ON e.hold = h.id WHERE e.hold IS NULL AND ($1 = '' OR h.tenant = $2) ORDER BY h.at, h.id`, tenant, tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Hold
	for rows.Next() {
		var h Hold
		var kind string
		var at int64
		if err := rows.Scan(&h.ID, &h.Tenant, &h.Volume, &kind, &h.Reason, &h.PlacedBy, &at); err != nil {
			return nil, err
		}
		h.Kind, h.At = HoldKind(kind), sqldb.FromMicros(at)
		out = append(out, h)
	}
	return out, rows.Err()
}
