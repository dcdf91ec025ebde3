package sqlstore

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
)

// record adds a line to an account's history.
func (Store) record(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, what, detail, by string, at time.Time) error {
	if by == "" || authz.CheckDetail(detail) != nil {
		return authz.ErrInvalid
	}
	return one(tx.Exec(ctx, `INSERT INTO account_changes (id, person, at, what, detail, by_actor) VALUES ($1, $2, $3, $4, $5, $6)`,
		newID[changeKind](at), person, sqldb.Micros(at), what, detail, by))
}

// tell records a change and posts it to the person, and to the other active
// owners of the tenant or, for staff, to the other active approvers: an account
// is not changed behind everyone's back (T13).
func (s Store) tell(ctx context.Context, tx *sqldb.Tx, p authz.Person, what, detail, by string, at time.Time) error {
	if err := s.record(ctx, tx, p.ID, what, detail, by, at); err != nil {
		return err
	}
	if err := s.Post(ctx, tx, p.ID, what, detail, at); err != nil {
		return err
	}
	var watchers []authz.Person
	var err error
	if p.Tenant.IsZero() {
		watchers, err = people(ctx, tx, `tenant IS NULL AND staff = 'approver' AND status = 'active' AND id <> $1 ORDER BY id LIMIT $2`, p.ID, authz.MaxListed)
	} else {
		watchers, err = people(ctx, tx, `tenant = $1 AND role = 'owner' AND status = 'active' AND id <> $2 ORDER BY id LIMIT $3`, p.Tenant, p.ID, authz.MaxListed)
	}
	if err != nil {
		return err
	}
	for _, w := range watchers {
		if err := s.Post(ctx, tx, w.ID, what, p.Email+": "+detail, at); err != nil {
			return err
		}
	}
	return nil
}

// Changes lists the changes to an account since a time, newest first, at most
// authz.MaxListed.
func (Store) Changes(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, since time.Time) ([]authz.Change, error) {
	var list []authz.Change
	err := each(ctx, tx, func(r row) error {
		c := authz.Change{Person: person}
		var at int64
		if err := r.Scan(&at, &c.What, &c.Detail, &c.By); err != nil {
			return err
		}
		c.At = sqldb.FromMicros(at)
		list = append(list, c)
		return nil
	}, `SELECT at, what, detail, by_actor FROM account_changes WHERE person = $1 AND at >= $2 ORDER BY at DESC, id DESC LIMIT $3`,
		person, sqldb.Micros(since), authz.MaxListed)
	return list, err
}

// Post puts a notice to a person into the outbox.
func (Store) Post(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, what, detail string, at time.Time) error {
	if what == "" || authz.CheckDetail(detail) != nil {
		return authz.ErrInvalid
	}
	return one(tx.Exec(ctx, `INSERT INTO notices (id, person, what, detail, created_at, due_at) VALUES ($1, $2, $3, $4, $5, $5)`,
		newID[noticeKind](at), person, what, detail, sqldb.Micros(at)))
}

const noticeColumns = `id, person, what, detail, created_at, attempts, delivered_at, read_at`

func scanNotice(r row) (authz.Notice, error) {
	var n authz.Notice
	var created, delivered, read int64
	err := r.Scan(&n.ID, &n.Person, &n.What, &n.Detail, &created, &n.Attempts, &delivered, &read)
	n.CreatedAt, n.DeliveredAt, n.ReadAt = sqldb.FromMicros(created), sqldb.FromMicros(delivered), sqldb.FromMicros(read)
	return n, found(err)
}

// Notices lists a person's newest notices, newest first, at most limit or authz.MaxListed.
func (Store) Notices(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, limit int) ([]authz.Notice, error) {
	var list []authz.Notice
	err := each(ctx, tx, func(r row) error {
		n, err := scanNotice(r)
		list = append(list, n)
		return err
	}, `SELECT `+noticeColumns+` FROM notices WHERE person = $1 ORDER BY created_at DESC, id DESC LIMIT $2`,
		person, min(max(limit, 0), authz.MaxListed))
	return list, err
}

// LeaseNotices takes up to limit undelivered notices that are due and puts them
// off by lease, so that another worker leaves them alone meanwhile. A notice
// that is not marked delivered comes again, until authz.MaxNoticeAttempts.
func (Store) LeaseNotices(ctx context.Context, tx *sqldb.Tx, limit int, lease time.Duration, at time.Time) ([]authz.Notice, error) {
	if lease <= 0 {
		return nil, authz.ErrInvalid
	}
	var list []authz.Notice
	now := sqldb.Micros(at)
	// The outer condition is checked again on the locked row, so of two workers
	// that chose the same rows only one gets each.
	err := each(ctx, tx, func(r row) error {
		n, err := scanNotice(r)
		list = append(list, n)
		return err
	}, `UPDATE notices SET due_at = $2, attempts = attempts + 1
		WHERE delivered_at = 0 AND due_at <= $1 AND id IN (
			SELECT id FROM notices WHERE delivered_at = 0 AND due_at <= $1 AND attempts < $3 ORDER BY due_at, id LIMIT $4)
		RETURNING `+noticeColumns,
		now, sqldb.Micros(at.Add(lease)), authz.MaxNoticeAttempts, min(max(limit, 0), authz.MaxListed))
	return list, err
}

// MarkDelivered ends a notice's deliveries.
func (Store) MarkDelivered(ctx context.Context, tx *sqldb.Tx, notice string, at time.Time) error {
	return one(tx.Exec(ctx, `UPDATE notices SET delivered_at = $2 WHERE id = $1`, notice, sqldb.Micros(at)))
}

// MarkRead notes that the person has seen a notice of theirs; ErrNotFound for
// anyone else's.
func (Store) MarkRead(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, notice string, at time.Time) error {
	return one(tx.Exec(ctx, `UPDATE notices SET read_at = $3 WHERE id = $1 AND person = $2`, notice, person, sqldb.Micros(at)))
}
