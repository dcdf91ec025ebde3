package pull_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/server/client/pull"
	"holdfast/server/wire/record"
)

// TestT38_NobodyReadsAFileBeforeItIsWhole: while a file is being restored, nobody can read of it who may not read it in
// the end: neither the group that an access list shuts out, whose mask is what the mode shows, nor the group that the
// directory gives to what is made in it.
func TestT38_NobodyReadsAFileBeforeItIsWhole(t *testing.T) {
	// user::rw- user:65534:r-- group::--- mask::r-- other::---
	list := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xfe\xff\x00\x00" +
		"\x04\x00\x00\x00\xff\xff\xff\xff" + "\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	me := record.Entry{Path: "secret", Type: 1, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	listed, shared, open := me, me, me
	listed.Mode, listed.Xattrs = 0o640, []record.Xattr{{Name: "system.posix_acl_access", Value: list}}
	shared.Mode, open.Mode = 0o640, 0o604
	for name, c := range map[string]struct {
		entry record.Entry
		owner bool
	}{
		"access list":                 {listed, false},
		"access list and owner":       {listed, true},
		"group of the directory":      {shared, true},
		"group that may do the least": {open, true},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			top := filepath.Join(outer, "target")
			if err := os.Mkdir(top, 0o700); err != nil {
				t.Fatal(err)
			}
			if g := otherGroup(t); g >= 0 {
				if err := os.Chown(top, -1, g); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(top, 0o755|fs.ModeSetgid); err != nil {
				t.Fatal(err)
			}
			l, client := newLiar(t)
			l.entry(c.entry, "of nobody's concern")
			var mu sync.Mutex
			seen := 0
			look := func(int64) { // its bytes are written, and it is not yet whole
				mu.Lock()
				defer mu.Unlock()
				found, err := os.ReadDir(top)
				if err != nil {
					t.Error(err)
				}
				for _, x := range found {
					info, err := x.Info()
					if err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(x.Name(), ".") || info.Size() == 0 {
						continue
					}
					if seen++; info.Mode().Perm()&0o077 != 0 {
						t.Errorf("%s is %s while it is restored", x.Name(), info.Mode())
					}
				}
			}
			if _, err := restore(t, client, outer, pull.Options{Owner: c.owner, Merge: true, Progress: look}); err != nil {
				t.Fatal(err)
			}
			if seen == 0 {
				t.Fatal("nothing was seen of the file on its way")
			}
			info, err := os.Stat(filepath.Join(top, "secret"))
			if err != nil || uint32(info.Mode().Perm()) != c.entry.Mode {
				t.Errorf("the file: %v, %v", info, err)
			}
		})
	}
}

// otherGroup is a group that this process may give files to and that is not its own first; negative when there is none.
func otherGroup(t *testing.T) int {
	t.Helper()
	if os.Geteuid() == 0 {
		return 54321
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g != os.Getegid() {
			return g
		}
	}
	return -1
}
