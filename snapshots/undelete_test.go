package snapshots_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// What one act deleted comes back as it was last, folders with what they held, and
// what an earlier act deleted, or what is there, stays as it is.
func TestUndeleteBringsBackOneAct(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		ctx := context.Background()
		vol, err := e.CreateVolume(ctx, snapshots.NewVolume{Tenant: tenant, Name: "acts", Kind: snapshots.Files, By: "test"})
		must(t, err)
		put := func(path, content string, kind snapshots.Type) {
			t.Helper()
			e.Clock.Advance(time.Millisecond)
			_, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: vol.ID, Path: path, Type: kind}, strings.NewReader(content))
			must(t, err)
		}
		drop := func(path string, after time.Duration) time.Time {
			t.Helper()
			e.Clock.Advance(after)
			at := e.Clock.Now()
			must(t, e.Delete(ctx, snapshots.DeleteRequest{Tenant: tenant, Volume: vol.ID, Path: path, Prefix: strings.HasSuffix(path, "/")}))
			return at
		}
		for _, d := range []string{"crypto", "crypto/aes", "fmt"} {
			put(d, "", snapshots.TypeDir)
		}
		const many = 11
		for i := range many {
			put(fmt.Sprintf("fmt/%04d", i), "x", 0)
		}
		put("crypto/aes/block", "old", 0)
		put("crypto/aes/block", "new", 0)
		put("cryptoz", "z", 0)
		put("earlier", "e", 0)
		drop("earlier", time.Second)
		drop("cryptoz", 2*time.Minute)
		put("cryptoz", "again", 0)
		drop("crypto/", time.Second)
		drop("crypto", time.Second)
		put("crypto/aes/block", "newest", 0)
		drop("crypto/", time.Second)
		drop("fmt/", snapshots.ActGap)
		until := drop("fmt", time.Second)
		e.Clock.Advance(10 * time.Minute)

		back := func(prefix string) (sum snapshots.UndeleteSummary) {
			t.Helper()
			for cursor := ""; ; {
				part, err := e.Undelete(ctx, snapshots.UndeleteRequest{Tenant: tenant, Volume: vol.ID, Until: until, Prefix: prefix, Cursor: cursor})
				must(t, err)
				sum.Files, sum.Folders, sum.Differ = sum.Files+part.Files, sum.Folders+part.Folders, sum.Differ+part.Differ
				if cursor = part.Next; cursor == "" {
					return sum
				}
			}
		}
		state := func() map[string]string {
			t.Helper()
			out := map[string]string{}
			page, err := e.List(ctx, snapshots.ListRequest{Tenant: tenant, Volume: vol.ID, Limit: snapshots.MaxPage})
			must(t, err)
			for _, x := range page.Entries {
				out[x.Path] = fmt.Sprint(x.Size)
			}
			return out
		}
		if sum := back("fmt/"); sum.Files != many || sum.Folders != 1 || sum.Differ != 0 {
			t.Fatalf("fmt/: %+v", sum)
		}
		if got := state(); len(got) != many+2 || got["fmt"] == "" || got["cryptoz"] != "5" {
			t.Fatalf("after fmt/: %v", got)
		}
		// The rest is named by its own last moment.
		removed, _, err := e.Removed(ctx, tenant, vol.ID, snapshots.RemovedCursor{})
		must(t, err)
		until = removed[0].At
		if sum := back(""); sum.Files != 1 || sum.Folders != 2 || sum.Differ != 0 {
			t.Fatalf("the rest: %+v", sum)
		}
		if got := state(); got["crypto/aes/block"] != "6" || got["crypto"] == "" || got["crypto/aes"] == "" || got["earlier"] != "" || got["cryptoz"] != "5" {
			t.Fatalf("in the end: %v", got)
		}
		if sum := back(""); sum.Files+sum.Folders != 0 {
			t.Fatalf("twice: %+v", sum)
		}
		for _, c := range []string{"x", "1.2", "0.0.YQ", "1.-1.YQ", "1.0.", "1.0.!"} {
			if _, err := e.Undelete(ctx, snapshots.UndeleteRequest{Tenant: tenant, Volume: vol.ID, Until: until, Cursor: c}); !errors.Is(err, snapshots.ErrFormat) {
				t.Errorf("cursor %q: %v", c, err)
			}
		}
	})
}
