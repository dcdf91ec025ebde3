package snapshots

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// QuarantineStore answers which frames can stand in for a damaged one.
type QuarantineStore interface {
	// FramesOf answers every frame of an id that is not quarantined, condemned or not.
	FramesOf(ctx context.Context, tx *sqldb.Tx, tenant string, id chunk.ID) ([]Location, error)
}

// rotten reports whether an error says that stored bytes are damaged or gone, so that another frame of the same id may
// be read in their place.
func rotten(err error) bool { return damaged(err) || errors.Is(err, blob.ErrNotFound) }

// instead reads other frames of the id that an edge names, because the one that it names is rotten: the same bytes came
// again later and were stored afresh. Each is checked against its own hash here; open must show that it has the id,
// which is a keyed hash of its plaintext, for no edge vouches for it. The first mistake is answered when none will do.
func (s *source) instead(ctx context.Context, c node.Child, first error, open func(other node.Child, b []byte) error) error {
	var others []Location
	if err := s.e.read(ctx, func(tx *sqldb.Tx) (err error) {
		others, err = s.e.c.Store.FramesOf(ctx, tx, s.tenant, c.ID)
		return err
	}); err != nil {
		return errors.Join(first, err)
	}
	for _, l := range others {
		if l.Child.Hash == c.Hash || l.Child.Kind != c.Kind {
			continue
		}
		b, err := s.fetch(ctx, nil, l.Child)
		if err == nil {
			err = open(l.Child, b)
		}
		if err == nil {
			return nil
		}
		if !rotten(err) {
			return err
		}
	}
	return first
}

func (s *source) chunkInstead(ctx context.Context, dst []byte, c node.Child, first error) (plain []byte, err error) {
	err = s.instead(ctx, c, first, func(other node.Child, b []byte) (err error) {
		if plain, err = frame.Open(dst, s.ring, c.ID, c.Kind, b, stream.MaxPlain); err != nil {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return err
	})
	return plain, err
}

func (s *source) nodeInstead(ctx context.Context, c node.Child, first error) (n node.Node, err error) {
	err = s.instead(ctx, c, first, func(other node.Child, b []byte) (err error) {
		if err = node.Verify(other, b); err == nil {
			n, err = node.Open(s.ring, c.ID, c.Kind, b)
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return err
	})
	return n, err
}
