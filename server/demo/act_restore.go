package demo

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/snapshots/stream/untar"
)

// wipe: all primary data goes, which its users may do, and nothing else.
func (p *player) wipe() error {
	ctx := p.ctx
	otto, err := p.as(ctx, operatorEmail)
	if err != nil {
		return err
	}
	p.late, p.lateText = "written-a-minute-before-"+token()+".txt", "Nobody has taken a snapshot of this. "+token()+"\n"
	if err := p.must("", "Otto stores one more file; no snapshot has it", func() (string, error) {
		u, err := otto.PutFile(ctx, mainVolume, p.late, strings.NewReader(p.lateText))
		p.before = u.At
		return "durable at " + u.At.Format(time.RFC3339Nano), err
	}); err != nil {
		return err
	}
	if err := p.must("T02", "He deletes every file of the volume: that is allowed", func() (string, error) {
		r, err := p.thief.RemoveFile(ctx, mainVolume, "", true)
		if err != nil {
			return "", err
		}
		e, err := p.thief.Entries(ctx, mainVolume, "", "", time.Time{})
		if err == nil && len(e.Entries) > 0 {
			err = fmt.Errorf("%d entries are left", len(e.Entries))
		}
		return fmt.Sprintf("%d entries are gone", r.Files), err
	}); err != nil {
		return err
	}
	p.check("T52", "He takes snapshots of the emptied volume, so that the good ones are no longer the last", func() (string, error) {
		for i := range 3 {
			if _, err := p.thief.TakeSnapshot(ctx, mainVolume, fmt.Sprintf("empty %d", i)); err != nil {
				return "", err
			}
		}
		d, err := p.thief.Draft(ctx, p.deletion("old", p.doomed, p.kept))
		if err != nil {
			return "", err
		}
		if d.Impact == nil || len(d.Impact.Volumes) != 1 || d.Impact.Volumes[0].NewestLeft != nil {
			return "", fmt.Errorf("the empty ones count as restore points: %+v", d.Impact)
		}
		return "a request for the good ones still says that nothing would be left", p.settle()
	})
	p.check("T31", "He deletes the volume, and the playground too", func() (string, error) {
		for _, v := range []string{mainVolume, playVolume} {
			if _, err := p.thief.DeleteVolume(ctx, p.state.Volumes[v]); err != nil {
				return "", err
			}
		}
		if changed := p.changed(); changed != "" {
			return "", fmt.Errorf("something changed: %s", changed)
		}
		return "the volumes are deleted, every snapshot is still held", nil
	})
	p.refuse("T31", "He deletes the last snapshots", []string{wire.TypeGateRequired}, func() error { return p.thief.DeleteSnapshot(ctx, p.kept) })
	return nil
}

// restore: what the rightful owner does.
func (p *player) restore() error {
	ctx := p.ctx
	if err := p.must("T02", "She restores the volume to the minute before the attack", func() (string, error) {
		begun := time.Now()
		r, err := p.watcher.Restore(ctx, p.state.Volumes[mainVolume], wire.Restore{At: &p.before, Exact: true}, nil)
		return fmt.Sprintf("%d entries, no byte copied, in %.1f s", r.Files, time.Since(begun).Seconds()), err
	}); err != nil {
		return err
	}
	identical := p.compare("T02", "The volume is what it was, with the file of that minute", client.Source{Volume: p.state.Volumes[mainVolume]}, map[string]string{p.late: p.lateText})
	if err := p.must("T02", "She restores last night's snapshot into a new volume", func() (string, error) {
		if _, err := p.watcher.CreateVolume(ctx, wire.CreateVolume{Name: "last-night", Kind: "files"}); err != nil {
			return "", err
		}
		r, err := p.watcher.Restore(ctx, p.state.Volumes[mainVolume], wire.Restore{Snapshot: p.kept, Into: "last-night"}, nil)
		return fmt.Sprintf("%d entries", r.Files), err
	}); err != nil {
		return err
	}
	identical = p.compare("T02", "Last night's snapshot is what was stored", client.Source{Volume: "last-night"}, nil) && identical
	identical = p.compare("T38", "… and the snapshot itself did not change by its restore", client.Source{Snapshot: p.kept}, nil) && identical
	p.summary.RestoredIdentical = identical
	return p.settle()
}

// compare fetches a tree to disk and compares it with the source.
func (p *player) compare(threat, what string, from client.Source, extra map[string]string) (identical bool) {
	p.check(threat, what, func() (string, error) {
		begun := time.Now()
		dir := filepath.Join(p.work, token())
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", err
		}
		if err := p.fetch(from, dir); err != nil {
			return "", errors.Join(err, removeTree(dir))
		}
		c, err := compareTrees(p.ctx, p.state.Data, dir, p.skip(), extra)
		if err == nil && !c.identical() {
			err = fmt.Errorf("it differs: %s", strings.Join(c.differences, "; "))
		}
		for name := range extra { // what was found is taken out
			if err == nil {
				err = fmt.Errorf("%q is missing", name)
			}
		}
		if err == nil && c.files == 0 {
			err = errors.New("there was nothing to compare")
		}
		identical = err == nil
		err = errors.Join(err, removeTree(dir))
		if err != nil {
			return "", err
		}
		left := ""
		if c.left > 0 {
			left = fmt.Sprintf("; %d devices and pipes are never restored", c.left)
		}
		return fmt.Sprintf("%d entries and %d bytes are the same, with modes, times and links, in %.1f s%s", c.files, c.bytes, time.Since(begun).Seconds(), left), nil
	})
	return identical
}

// fetch extracts an archive of a source into dir, as the command line does.
func (p *player) fetch(from client.Source, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	body, err := p.watcher.GetTar(p.ctx, from, "")
	if err != nil {
		return err
	}
	var refused []string
	err = untar.Extract(root, body, untar.Options{
		Owner: os.Geteuid() == 0, ForeignLinks: true,
		Refused: func(m untar.MemberError) {
			if !errors.Is(m.Err, untar.ErrDevice) && len(refused) < maxDifferences {
				refused = append(refused, m.Error())
			}
		},
	})
	err = errors.Join(err, body.Close())
	if len(refused) > 0 {
		err = errors.Join(err, fmt.Errorf("not restored: %s", strings.Join(refused, "; ")))
	}
	return err
}

// foreignLinks: an archive with links that lead out is stored as data; a restore
// does not follow them.
func (p *player) foreignLinks() (string, error) {
	outside := filepath.Join(p.work, "outside")
	if err := os.MkdirAll(outside, 0o700); err != nil {
		return "", err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "door", Typeflag: tar.TypeSymlink, Linkname: outside, Mode: 0o777},
		{Name: "door/evil.txt", Typeflag: tar.TypeReg, Mode: 0o644},
	} {
		if err := w.WriteHeader(h); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	said := "the archive was stored"
	if _, err := p.thief.PutTar(p.ctx, playVolume, &b, false); err != nil {
		if !client.Is(err, wire.TypeInvalid) && !client.Is(err, wire.TypeConflict) {
			return "", err
		}
		said = "the archive was refused in part: " + err.Error()
	}
	dir := filepath.Join(p.work, token())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	body, err := p.thief.GetTar(p.ctx, client.Source{Volume: playVolume}, "")
	if err != nil {
		return "", errors.Join(err, root.Close())
	}
	err = untar.Extract(root, body, untar.Options{Refused: func(untar.MemberError) {}})
	err = errors.Join(err, body.Close(), root.Close(), removeTree(dir))
	if err != nil {
		return "", err
	}
	left, err := os.ReadDir(outside)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s appeared outside of the restore's target", left[0].Name())
	}
	return said + "; nothing appeared outside of the restore's target", err
}
