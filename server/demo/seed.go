package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"holdfast/internal/durable"
	"holdfast/server/client"
	"holdfast/server/client/archive"
	"holdfast/server/wire"
)

// The people of every demonstration: five approvers in two teams.
const (
	ownerEmail    = "olivia@acme.example"
	operatorEmail = "otto@acme.example"
	viewerEmail   = "vera@acme.example"
	rivalEmail    = "hana@harbour.example"
	auditorEmail  = "uma@support.example"
)

var cast = []person{
	{Name: "Ada Adler", Email: "ada@support.example", Role: "approver", Team: "berlin"},
	{Name: "Ben Bauer", Email: "ben@support.example", Role: "approver", Team: "berlin"},
	{Name: "Mara Moss", Email: "mara@support.example", Role: "approver", Team: "berlin"},
	{Name: "Dana Dias", Email: "dana@support.example", Role: "approver", Team: "lisbon"},
	{Name: "Enzo Esteves", Email: "enzo@support.example", Role: "approver", Team: "lisbon"},
	{Name: "Uma Urban", Email: auditorEmail, Role: "auditor"},
	{Name: "Olivia Owens", Email: ownerEmail, Role: "owner"},
	{Name: "Otto Olsen", Email: operatorEmail, Role: "operator"},
	{Name: "Vera Voss", Email: viewerEmail, Role: "viewer"},
}

// recoveryFile holds the recovery key. A real one never lies beside the service.
const recoveryFile = "recovery.key"

// installation is a running service and the people who use it.
type installation struct {
	o     Options
	dir   string
	state *state
	lines map[string]string // of the charter, that differ from the defaults of a demo
	say   func(format string, args ...any)

	operator *client.Client
	sessions map[string]*client.Client
}

// dataDir finds the files to back up.
func dataDir(ctx context.Context, o Options) (string, error) {
	dir := o.Data
	if dir == "" {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output(); err == nil {
			dir = filepath.Join(strings.TrimSpace(string(out)), "src")
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			if dir, err = os.Getwd(); err != nil {
				return "", err
			}
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("--data: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("--data: %s is not a directory", dir)
	}
	return filepath.Abs(dir)
}

// skip leaves the demonstration's own directory out, should it lie in the data.
func (in *installation) skip() func(string) bool {
	own, err := os.Stat(in.dir)
	return func(path string) bool {
		info, e := os.Lstat(path)
		return err == nil && e == nil && info.IsDir() && os.SameFile(own, info)
	}
}

// open prepares everything that needs a running service.
func (in *installation) open(a Addresses) error {
	in.state.Addresses = a
	if in.o.Operator == nil {
		return errors.New("demo: nothing says how to read the operator's credential")
	}
	credential, err := in.o.Operator(in.dir)
	if err != nil {
		return fmt.Errorf("the operator's credential: %w", err)
	}
	in.operator = client.New(a.Portal, client.WithToken(credential))
	in.sessions = map[string]*client.Client{}
	for _, p := range in.state.People {
		in.place(p)
	}
	return in.state.save()
}

func (in *installation) place(p *person) {
	p.base = in.state.Addresses.Portal
	if p.staff() {
		p.base = in.state.Addresses.Console
	}
}

// as returns a session of a person, opened when it is first needed.
func (in *installation) as(ctx context.Context, email string) (*client.Client, error) {
	if c := in.sessions[email]; c != nil {
		if _, err := c.Session(ctx); err == nil {
			return c, nil
		}
	}
	p := in.state.find(email)
	if p == nil {
		return nil, fmt.Errorf("demo: nobody has the address %s", email)
	}
	c, err := p.signIn(ctx)
	if err == nil {
		in.sessions[email] = c
	}
	return c, err
}

// people invites the cast and accepts for them. What was done in an earlier run
// is not done again.
func (in *installation) people(ctx context.Context) error {
	for i := range cast {
		one := &cast[i]
		invite := func() (wire.Invitation, error) {
			return in.operator.InviteStaff(ctx, wire.Invite{Name: one.Name, Email: one.Email, Role: one.Role})
		}
		switch {
		case one.Role == "owner":
			// The charter comes first: the tenant's keys are wrapped for its
			// recovery recipients.
			if err := in.ceremony(ctx); err != nil {
				return err
			}
			invite = func() (wire.Invitation, error) {
				t, err := in.operator.CreateTenant(ctx, wire.CreateTenant{Name: "Acme", OwnerName: one.Name, OwnerEmail: one.Email})
				in.state.Tenant = t.Tenant.ID
				return t.Invitation, err
			}
		case one.Role == "operator" || one.Role == "viewer":
			invite = func() (wire.Invitation, error) {
				owner, err := in.as(ctx, ownerEmail)
				if err != nil {
					return wire.Invitation{}, err
				}
				return owner.InviteMember(ctx, wire.Invite{Name: one.Name, Email: one.Email, Role: one.Role})
			}
		}
		if err := in.welcome(ctx, one, invite); err != nil {
			return err
		}
	}
	return nil
}

// welcome takes one person in.
func (in *installation) welcome(ctx context.Context, one *person, invite func() (wire.Invitation, error)) error {
	p := in.state.find(one.Email)
	if p != nil && p.TOTP != "" {
		return nil
	}
	if p == nil {
		i, err := invite()
		if err != nil {
			return fmt.Errorf("invite %s: %w", one.Email, err)
		}
		p = &person{Name: one.Name, Email: one.Email, Role: one.Role, Team: one.Team, Password: secret(), ID: i.Person.ID, Invitation: i.Secret}
		in.place(p)
		in.state.People = append(in.state.People, p)
		if err := in.state.save(); err != nil {
			return err
		}
	}
	c, err := p.accept(ctx)
	if err != nil && p.Invitation == "" && p.TOTP == "" { // accepted in an earlier run that ended right after
		if c, err = p.signIn(ctx); err == nil {
			err = p.enrolTOTP(ctx, c)
		}
	}
	if err != nil {
		return err
	}
	in.sessions[p.Email] = c
	return in.state.save()
}

// ceremony seals the charter, with a signature of every approver.
func (in *installation) ceremony(ctx context.Context) error {
	ada, err := in.as(ctx, cast[0].Email)
	if err != nil {
		return err
	}
	s, err := ada.Ceremony(ctx, "")
	if err != nil || s.State == "sealed" {
		return err
	}
	recipient, err := in.recoveryKey()
	if err != nil {
		return err
	}
	proposal := wire.ProposeGenesis{Purpose: "demo", Recipients: []string{recipient}, Lines: in.lines}
	for _, p := range in.state.People {
		if p.Role == "approver" {
			proposal.Approvers = append(proposal.Approvers, wire.GenesisApprover{Person: p.ID, Team: p.Team})
		}
	}
	if _, err := in.operator.ProposeGenesis(ctx, proposal); err != nil {
		return fmt.Errorf("propose the charter: %w", err)
	}
	for _, p := range in.state.People {
		if p.Role != "approver" {
			continue
		}
		c, err := in.as(ctx, p.Email)
		if err != nil {
			return err
		}
		o, err := c.BeginSignCharter(ctx, "")
		if err != nil {
			return fmt.Errorf("%s signs the charter: %w", p.Email, err)
		}
		a, err := p.assert(o.PasskeyOptions)
		if err != nil {
			return err
		}
		if s, err = c.SignCharter(ctx, "", a); err != nil {
			return fmt.Errorf("%s signs the charter: %w", p.Email, err)
		}
	}
	if s.State != "sealed" {
		return fmt.Errorf("demo: every approver has signed and the charter is %s", s.State)
	}
	in.say("The charter is sealed: five approvers in two teams; two of them decide a deletion, more when it is graver.")
	return nil
}

// recoveryKey makes the recovery key and returns its recipient.
func (in *installation) recoveryKey() (string, error) {
	path := filepath.Join(in.dir, recoveryFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		k, err := age.GenerateX25519Identity()
		if err != nil {
			return "", err
		}
		text = []byte("# Recovery key of a demonstration. A real one is kept offline, in two places.\n" + k.String() + "\n")
		if err := durable.WriteFile(path, text, 0o600); err != nil {
			return "", err
		}
		return k.Recipient().String(), nil
	}
	if err != nil {
		return "", err
	}
	keys, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	k, ok := keys[0].(*age.X25519Identity)
	if !ok {
		return "", fmt.Errorf("%s: not a recovery key of a demonstration", path)
	}
	return k.Recipient().String(), nil
}

// volume makes a volume unless it is there.
func (in *installation) volume(ctx context.Context, c *client.Client, name, kind string) error {
	if in.state.Volumes[name] != "" {
		return nil
	}
	v, err := c.Volume(ctx, name)
	if client.Is(err, wire.TypeNotFound) {
		v, err = c.CreateVolume(ctx, wire.CreateVolume{Name: name, Kind: kind})
	}
	if err != nil {
		return fmt.Errorf("make volume %s: %w", name, err)
	}
	in.state.Volumes[name] = v.ID
	return in.state.save()
}

// push sends the data into a volume.
func (in *installation) push(ctx context.Context, c *client.Client, volume string) (wire.UploadedTree, error) {
	u, changed, err := archive.Push(ctx, c, in.state.Data, volume, archive.Options{Skip: in.skip()})
	if err != nil {
		return u, fmt.Errorf("send %s: %w", in.state.Data, err)
	}
	if changed != nil {
		in.say("Files changed while they were read: %v", changed)
	}
	return u, nil
}

// snapshot takes a snapshot unless it was taken, and waits until it is sealed
// and proven.
func (in *installation) snapshot(ctx context.Context, c *client.Client, volume, name string) (wire.Snapshot, error) {
	id := in.state.Snapshots[name]
	if id == "" {
		s, err := c.TakeSnapshot(ctx, volume, name)
		if err != nil {
			return s, fmt.Errorf("take snapshot %s: %w", name, err)
		}
		id, in.state.Snapshots[name] = s.ID, s.ID
		if err := in.state.save(); err != nil {
			return s, err
		}
	}
	return in.proven(ctx, c, id)
}

// proven waits until a snapshot's copy has been sealed, restored and compared.
func (in *installation) proven(ctx context.Context, c *client.Client, id string) (s wire.Snapshot, err error) {
	return s, until(ctx, time.Hour, "snapshot "+id+" sealed and proven", func() (bool, error) {
		s, err = c.Snapshot(ctx, id)
		return err == nil && s.Digest != "" && len(s.Copies) > 0 && s.Copies[0].Proven != nil, err
	})
}
