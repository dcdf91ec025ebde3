package sweep

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/pack"
	"holdfast/snapshots/sweep/internal/index"
)

// testify writes into a pack which copies an erasure took, before it is finished: who rebuilds the database from packs
// must know that they went by decision. The frames are gone by then; a crash before leaves no word, and a rebuild then
// finds a copy that is not whole.
func (r *run) testify(ctx context.Context) error {
	s := r.s
	var gone []snapshots.ErasedRecord
	if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		gone = nil
		frames, packs, err := index.Waiting(ctx, tx, r.tenant)
		if err != nil {
			return err
		}
		if frames > 0 || packs > 0 {
			return fmt.Errorf("%w: %d frames and %d packs wait", ErrBusy, frames, packs)
		}
		list, err := index.DroppedBy(ctx, tx, r.request)
		if err != nil {
			return err
		}
		for _, d := range list {
			snap, err := s.c.Store.Snapshot(ctx, tx, r.tenant, d.Snapshot)
			if err != nil {
				return err
			}
			if snap.Seal != nil {
				gone = append(gone, snapshots.RecordErased(snap, s.c.Site, r.request, d.At))
			}
		}
		return nil
	}); err != nil || len(gone) == 0 {
		return err
	}
	id := another(snapshots.PackID{}, s.c.Now())
	out, err := s.c.Blobs.Create(ctx, snapshots.PackBlob(r.tenant, id))
	if err != nil {
		return err
	}
	w, err := pack.NewWriter(out, pack.Header{Tenant: r.tenant, Pack: id.String()})
	for i := 0; err == nil && i < len(gone); i++ {
		_, err = w.Append(pack.Record{Type: pack.TypeErased, Payload: gone[i].Render()})
	}
	if err == nil {
		err = w.Finish()
	}
	if err != nil {
		return errors.Join(err, out.Close())
	}
	if err := s.step("testified"); err != nil {
		return err
	}
	return s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return index.AddPack(ctx, tx, r.tenant, id, w.Size(), sqldb.Micros(s.c.Now()))
	})
}
