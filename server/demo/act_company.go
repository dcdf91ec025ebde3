package demo

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// prologue makes the company and last night's snapshots.
func (p *player) prologue() error {
	if err := p.must("", "The charter is sealed by five approvers; Acme and its people sign in", func() (string, error) {
		return fmt.Sprintf("%d people, each with a password, a TOTP generator and a passkey", len(cast)), p.people(p.ctx)
	}); err != nil {
		return err
	}
	var err error
	if p.watcher, err = p.as(p.ctx, ownerEmail); err != nil {
		return err
	}
	otto, err := p.as(p.ctx, operatorEmail)
	if err != nil {
		return err
	}
	for _, name := range []string{mainVolume, playVolume} {
		if err := p.volume(p.ctx, otto, name, "files"); err != nil {
			return err
		}
	}
	if err := p.must("", "Acme's files are stored: "+p.state.Data, func() (string, error) {
		begun := time.Now()
		u, err := p.push(p.ctx, otto, mainVolume)
		return fmt.Sprintf("%d entries, %d bytes, durable after %.1f s", u.Entries, u.Bytes, time.Since(begun).Seconds()), err
	}); err != nil {
		return err
	}
	if err := p.snapshots(otto); err != nil {
		return err
	}
	if err := p.neighbourMovesIn(); err != nil {
		return err
	}
	return p.settle()
}

// snapshots takes the one that will lawfully go, which alone holds a certain
// file, and the one that stays.
func (p *player) snapshots(otto *client.Client) error {
	blobs := filepath.Join(p.dir, "blobs")
	name := "release-key-" + token() + ".bin"
	if err := p.must("", "A file of 24 MiB is stored, captured by one snapshot and deleted; a second snapshot does not have it", func() (string, error) {
		before, _, err := inventory(blobs)
		if err != nil {
			return "", err
		}
		if _, err := otto.PutFile(p.ctx, mainVolume, name, io.LimitReader(rand.Reader, markerBytes)); err != nil {
			return "", err
		}
		if p.marker, err = markerOf(blobs, before); err != nil {
			return "", err
		}
		s, err := otto.TakeSnapshot(p.ctx, mainVolume, "nightly 1")
		if err != nil {
			return "", err
		}
		p.doomed = s.ID
		if _, err := otto.RemoveFile(p.ctx, mainVolume, name, false); err != nil {
			return "", err
		}
		if s, err = otto.TakeSnapshot(p.ctx, mainVolume, "nightly 2"); err != nil {
			return "", err
		}
		p.kept = s.ID
		return p.doomed + " and " + p.kept, nil
	}); err != nil {
		return err
	}
	for i := range 4 {
		if _, err := otto.PutFile(p.ctx, playVolume, fmt.Sprintf("toy-%d.txt", i), strings.NewReader(strings.Repeat("toy ", i+1))); err != nil {
			return err
		}
		s, err := otto.TakeSnapshot(p.ctx, playVolume, fmt.Sprintf("play %d", i))
		if err != nil {
			return err
		}
		p.state.Snapshots[s.Name] = s.ID
	}
	return p.must("", "Every snapshot is sealed, restored by the service for a test, and compared", func() (string, error) {
		for _, s := range []string{p.doomed, p.kept, p.state.Snapshots["play 0"], p.state.Snapshots["play 1"], p.state.Snapshots["play 2"], p.state.Snapshots["play 3"]} {
			if _, err := p.proven(p.ctx, otto, s); err != nil {
				return "", err
			}
		}
		return "6 snapshots proven", nil
	})
}

// neighbourMovesIn makes another customer, which the attacker owns.
func (p *player) neighbourMovesIn() error {
	hana := &person{Name: "Hana Harris", Email: rivalEmail, Role: "owner"}
	return p.must("", "Another customer, Harbour, uses the same service", func() (string, error) {
		err := p.welcome(p.ctx, hana, func() (wire.Invitation, error) {
			t, err := p.operator.CreateTenant(p.ctx, wire.CreateTenant{Name: "Harbour", OwnerName: hana.Name, OwnerEmail: hana.Email})
			return t.Invitation, err
		})
		if err != nil {
			return "", err
		}
		if p.rival, err = p.as(p.ctx, rivalEmail); err != nil {
			return "", err
		}
		_, err = p.rival.CreateVolume(p.ctx, wire.CreateVolume{Name: "boats", Kind: "files"})
		return "a tenant of its own", err
	})
}

func token() string {
	raw := make([]byte, 8)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}
