package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
)

// T59: two tenants do everything that can be logged. In all that strangers can fetch there is neither id nor name nor
// address, and somebody who guesses the whole body cannot confirm it without the salt.
func TestT59_PublicLogNamesNoTenant(t *testing.T) {
	l := newLog(t, 0)
	secrets := []string{"ten_01hzzzacme", "ten_01hzzzbolt", "Acme Rockets", "Bolt Bakery", "ada@acme.example", "bob@bolt.example", "req_7777", "payroll-db"}
	var bodies [][]byte
	for i, k := range audit.Kinds() {
		for j, tenant := range secrets[:2] {
			body := fmt.Appendf(nil, "kind %s\ntenant %s\nname %s\nby %s\nsubject req_7777\nvolume payroll-db\n", k, tenant, secrets[2+j], secrets[4+j])
			d := audit.Draft{Kind: k, At: epoch.Add(time.Duration(i) * time.Second), Tenant: tenant, Subject: "req_7777", Body: body}
			if d.Validate() != nil {
				continue // charters, witnesses, sites: never a tenant's business
			}
			e, err := d.Enter(int64(len(l.entries)), &l.random)
			if err != nil {
				t.Fatal(err)
			}
			l.push(e)
			bodies = append(bodies, body)
		}
	}
	if len(bodies) < 80 {
		t.Fatalf("only %d leaves", len(bodies))
	}
	l.publish(epoch)
	public := bytes.Clone(l.signed)
	for tile := range audit.Tiles(int64(len(l.entries))) {
		data, err := l.Tile(context.Background(), tile.Path())
		if err != nil {
			t.Fatal(err)
		}
		public = append(public, data...)
	}
	for _, s := range secrets {
		for _, form := range []string{s, strings.ToLower(s), fmt.Sprintf("%x", s)} {
			if bytes.Contains(public, []byte(form)) {
				t.Errorf("the public log contains %q", form)
			}
		}
	}
	guesses := append(bodies, []byte(secrets[0]), []byte(secrets[1]), nil)
	for i, e := range l.entries {
		leaf, err := audit.ParseLeaf(e.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		if len(leaf.Facts) != 0 {
			t.Errorf("leaf %d has clear facts %v", i, leaf.Facts)
		}
		for _, g := range guesses {
			// Without a salt, with none, and with the salt of the neighbour whose body was disclosed.
			for _, salt := range [][32]byte{{}, l.entries[(i+1)%len(l.entries)].Salt} {
				if audit.Commit(salt, g) == leaf.Commitment {
					t.Errorf("leaf %d opens to a guess", i)
				}
			}
		}
		if audit.Commit(e.Salt, bodies[i]) != leaf.Commitment {
			t.Errorf("leaf %d does not open to its own body", i)
		}
	}
	// The same event of the same tenant twice: nobody can tell.
	d := audit.Draft{Kind: audit.KindSnapshotTaken, At: epoch, Tenant: secrets[0], Body: bodies[0]}
	a, _ := d.Enter(0, &l.random)
	b, _ := d.Enter(1, &l.random)
	if bytes.Equal(a.Leaf, b.Leaf) {
		t.Error("equal events have equal leaves")
	}
}
