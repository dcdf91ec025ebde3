package snapshots_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// hollow pushes files that are nothing but a hole, in one segment, and answers what became of it.
func (p *pusher) hollow(n int64, size int64, paths ...string) (snapshots.PushAnswer, error) {
	p.t.Helper()
	g := p.begin(n)
	for _, path := range paths {
		if err := errors.Join(g.Entry(p.t.Context(), file(path)), g.Hole(p.t.Context(), size), g.End(p.t.Context(), size)); err != nil {
			p.t.Fatal(err)
		}
	}
	return g.Commit(p.t.Context())
}

// A stolen token writes a few files of nothing but holes. Their sizes would add up to more than a number holds, and from
// then on no snapshot of the volume could be read, and nothing in it be deleted at once.
func TestT50_HolesDoNotMakeAVolumeUnreadable(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		for _, files := range []int{2, 9, 17} {
			v := e.Volume(t, fmt.Sprint("v", files), snapshots.Files)
			put(t, e, v.ID, "good", "what matters")
			p := newPusher(t, e.Engine, v.ID)
			var paths []string
			for i := range files {
				paths = append(paths, fmt.Sprint("junk/", i))
			}
			if _, err := p.hollow(0, snapshots.MaxVolumeBytes, paths...); !errors.Is(err, snapshots.ErrVolumeSize) {
				t.Errorf("%d at once: %v", files, err)
			}
			// One by one, and by replacement.
			half := int64(snapshots.MaxVolumeBytes / 2)
			for n, step := range []struct {
				path string
				size int64
				want error
			}{{"junk/a", half - 100, nil}, {"junk/b", half - 100, nil}, {"junk/c", half, snapshots.ErrVolumeSize}} {
				if _, err := p.hollow(int64(n), step.size, step.path); !errors.Is(err, step.want) {
					t.Errorf("%s: %v, not %v", step.path, err, step.want)
				}
			}
			if _, err := p.hollow(2, half+50, "junk/a"); err != nil {
				t.Error("there is no room for what takes the room of what it replaces:", err)
			}
			s, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "somebody", "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Engine.Seal(t.Context(), tenant, s.ID); err != nil {
				t.Fatal(err)
			}
			if p, err := e.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK || p.Files != 3 {
				t.Error("the snapshot does not come back:", p, err)
			}
			if got := get(t, e, v.ID, "good", snapshots.Moment{Snapshot: s.ID}); got != "what matters" {
				t.Errorf("%q", got)
			}
			if err := e.Engine.Delete(t.Context(), snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Prefix: true}); err != nil {
				t.Error("nothing can be deleted:", err)
			}
			if now, err := e.Engine.Volume(t.Context(), tenant, v.ID); err != nil || now.LiveBytes != 0 || now.LiveFiles != 0 {
				t.Errorf("%+v %v", now, err)
			}
		}
	})
}

// Writers that come in one group do not go beyond it together, and who is refused takes no other with him.
func TestT50_ManyWritersDoNotFillAVolumeTogether(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		var wg sync.WaitGroup
		var mu sync.Mutex
		fit, small := 0, 0
		for i := range 12 {
			p := newPusher(t, e.Engine, v.ID)
			wg.Go(func() {
				_, err := p.hollow(0, snapshots.MaxVolumeBytes/4-12, fmt.Sprint("big", i))
				if err != nil && !errors.Is(err, snapshots.ErrVolumeSize) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					fit++
				}
			})
			wg.Go(func() {
				_, err := e.Engine.Put(context.WithoutCancel(t.Context()), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: fmt.Sprint("small", i), Meta: snapshots.Meta{Mode: 0o644}}, strings.NewReader("x"))
				if err != nil {
					t.Error("somebody else's write fails:", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				small++
			})
		}
		wg.Wait()
		now, err := e.Engine.Volume(t.Context(), tenant, v.ID)
		if err != nil || fit != 4 || small != 12 || now.LiveFiles != 16 || now.LiveBytes != 4*(snapshots.MaxVolumeBytes/4-12)+12 {
			t.Errorf("%d fit, %d small: %+v %v", fit, small, now, err)
		}
	})
}
