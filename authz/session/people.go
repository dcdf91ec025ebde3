package session

import (
	"cmp"
	"context"
	"slices"
	"time"

	"holdfast/authz"
)

type keyed struct {
	key Key
	Session
}

// live returns a person's live sessions, oldest first.
func (m *Manager) live(ctx context.Context, person authz.PersonID) ([]keyed, error) {
	records, err := m.store.Person(ctx, person.String())
	if err != nil {
		return nil, err
	}
	all := make([]keyed, 0, len(records))
	for k, sealed := range records {
		s, err := m.open(k, sealed)
		if err != nil || s.Person != person {
			continue // ended, or not ours to believe
		}
		all = append(all, keyed{k, s})
	}
	slices.SortFunc(all, func(a, b keyed) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Handle, b.Handle))
	})
	return all, nil
}

func (m *Manager) makeRoom(ctx context.Context, person authz.PersonID) error {
	all, err := m.live(ctx, person)
	if err != nil || len(all) < MaxSessions {
		return err
	}
	return m.dropWhere(ctx, person, all[:len(all)-MaxSessions+1], func(keyed) bool { return true })
}

func (m *Manager) dropWhere(ctx context.Context, person authz.PersonID, all []keyed, which func(keyed) bool) error {
	var keys []Key
	for _, s := range all {
		if which(s) {
			keys = append(keys, s.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return m.store.Drop(ctx, person.String(), keys...)
}

// List returns a person's live sessions, oldest first.
func (m *Manager) List(ctx context.Context, person authz.PersonID) ([]Session, error) {
	all, err := m.live(ctx, person)
	if err != nil {
		return nil, err
	}
	list := make([]Session, len(all))
	for i, s := range all {
		list[i] = s.Session
	}
	return list, nil
}

// Revoke ends the person's session with that handle. An unknown one is no error.
func (m *Manager) Revoke(ctx context.Context, person authz.PersonID, handle string) error {
	return m.revoke(ctx, person, func(s keyed) bool { return s.Handle == handle })
}

// RevokeAll ends every session of a person.
func (m *Manager) RevokeAll(ctx context.Context, person authz.PersonID) error {
	return m.revoke(ctx, person, func(keyed) bool { return true })
}

// RevokeOthers ends every session of a person but the one with that handle.
func (m *Manager) RevokeOthers(ctx context.Context, person authz.PersonID, keep string) error {
	return m.revoke(ctx, person, func(s keyed) bool { return s.Handle != keep })
}

// RevokeYoung ends a person's sessions that were opened at or after since: what
// a lockdown does. The database's own mark does the same while the store is gone.
func (m *Manager) RevokeYoung(ctx context.Context, person authz.PersonID, since time.Time) error {
	return m.revoke(ctx, person, func(s keyed) bool { return !s.CreatedAt.Before(since) })
}

// revoke looks again after each round, for a session that changed its secret
// meanwhile; it is done when a look finds none left.
func (m *Manager) revoke(ctx context.Context, person authz.PersonID, which func(keyed) bool) error {
	for range maxAttempts {
		all, err := m.live(ctx, person)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, which) {
			return nil
		}
		if err := m.dropWhere(ctx, person, all, which); err != nil {
			return err
		}
	}
	return ErrUnavailable
}
