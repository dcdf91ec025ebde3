package site

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
)

// suspendedPeople are all who are suspended: by one suspend, both (T55).
func suspendedPeople(ctx context.Context, tx *sqldb.Tx) (out []string, err error) {
	rows, err := tx.Query(ctx, `SELECT person, subject FROM gate_stops WHERE kind = 'suspend' AND ended_by = '' ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return nil, err
		}
		out = append(out, a, b)
	}
	return out, rows.Err()
}

// Standing implements Site.
func (p *Primary) Standing(ctx context.Context, tenant string) (out []Standing, err error) {
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		out, err = standing(ctx, tx, tenant)
		return err
	})
	return out, err
}

func standing(ctx context.Context, tx *sqldb.Tx, tenant string) (out []Standing, err error) {
	rows, err := tx.Query(ctx, `SELECT id, kind, tenant, volume, subject, person, text, at, seen_at FROM gate_stops
		WHERE kind IN ('hold', 'freeze', 'suspend') AND ended_by = '' ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s Standing
		var text []byte
		var at, seen int64
		if err := rows.Scan(&s.ID, &s.Kind, &s.Tenant, &s.Volume, &s.Subject, &s.Person, &text, &at, &seen); err != nil {
			return nil, err
		}
		if tenant != "" && s.Tenant != tenant && s.Tenant != warrant.Everywhere {
			continue
		}
		st, err := warrant.ParseStop(text)
		if err != nil {
			return nil, err
		}
		s.Reason, s.At, s.SeenAt = st.Reason, sqldb.FromMicros(at), sqldb.FromMicros(seen)
		out = append(out, s)
	}
	return out, rows.Err()
}

// stopped says what stands in the way of a tenant's deletions: a freeze, a hold on all, holds on volumes.
type stopped struct {
	frozen, all bool
	volumes     []string
}

func stopsOver(ctx context.Context, tx *sqldb.Tx, tenant string) (s stopped, err error) {
	list, err := standing(ctx, tx, "")
	for _, x := range list {
		switch {
		case x.Kind == "freeze" && (x.Tenant == warrant.Everywhere || x.Tenant == tenant):
			s.frozen = true
		case x.Kind == "hold" && x.Tenant == tenant && x.Volume == "":
			s.all = true
		case x.Kind == "hold" && x.Tenant == tenant:
			s.volumes = append(s.volumes, x.Volume)
		}
	}
	return s, err
}

// Still answers what stops reclaiming of a tenant, and since when: exactly the freezes and holds for which MaySweep gives no
// leave, or not for a volume. The moment is that at which this site learned of the stop, for until then it went on.
func Still(ctx context.Context, tx *sqldb.Tx, tenant string) (out snapshots.Stillness, err error) {
	rows, err := tx.Query(ctx, `SELECT kind, volume, seen_at FROM gate_stops WHERE kind IN ('freeze', 'hold') AND ended_by = ''
		AND (tenant = $1 OR kind = 'freeze' AND tenant = $2) ORDER BY seen_at DESC`, tenant, warrant.Everywhere)
	if err != nil {
		return out, err
	}
	defer rows.Close()
	for rows.Next() { // the earliest comes last, and stays
		var s snapshots.Still
		var volume string
		var seen int64
		if err := rows.Scan(&s.By, &volume, &seen); err != nil {
			return out, err
		}
		s.Since = sqldb.FromMicros(seen)
		if s.By == "freeze" || volume == "" {
			out.All = s
			continue
		}
		if out.Volumes == nil {
			out.Volumes = map[string]snapshots.Still{}
		}
		out.Volumes[volume] = s
	}
	return out, rows.Err()
}
