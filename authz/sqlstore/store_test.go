package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/authz/authztest"
	"holdfast/authz/sqlstore"
	"holdfast/authz/totp"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
)

var (
	ctx   = context.Background()
	store = sqlstore.New()
	at    = authztest.Start
)

const day = 24 * time.Hour

func write(t testing.TB, db *sqldb.DB, f func(tx *sqldb.Tx) error) {
	t.Helper()
	if err := db.Write(ctx, f); err != nil {
		t.Fatal(err)
	}
}

// refused demands that f fails with want.
func refused(t testing.TB, db *sqldb.DB, want error, f func(tx *sqldb.Tx) error) {
	t.Helper()
	if err := db.Write(ctx, f); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func read[T any](t testing.TB, db *sqldb.DB, f func(tx *sqldb.Tx) (T, error)) T {
	t.Helper()
	var v T
	if err := db.Read(ctx, func(tx *sqldb.Tx) (err error) { v, err = f(tx); return err }); err != nil {
		t.Fatal(err)
	}
	return v
}

func openTenant(t testing.TB, db *sqldb.DB) authz.TenantID {
	t.Helper()
	tenant := authztest.NewTenant()
	write(t, db, func(tx *sqldb.Tx) error {
		return store.OpenTenant(ctx, tx, authz.Tenant{ID: tenant, Name: "Acme", CreatedAt: at})
	})
	return tenant
}

func invitation(tenant authz.TenantID, role authz.Role, email, secret string) sqlstore.Invitation {
	p := authz.Person{ID: authztest.NewPerson(), Tenant: tenant, Role: role, Email: email, Name: "Someone"}
	if tenant.IsZero() {
		p.Role, p.Staff = 0, authz.StaffApprover
	}
	return sqlstore.Invitation{Person: p, Ticket: authz.HashTicket(secret), By: "test", ExpiresAt: at.Add(day)}
}

// join makes an active account with one passkey.
func join(t testing.TB, db *sqldb.DB, tenant authz.TenantID, role authz.Role, email string) (authz.Person, authz.Factor) {
	t.Helper()
	inv := invitation(tenant, role, email, email)
	f := authztest.Passkey(t, inv.Person.ID, "first")
	var p authz.Person
	write(t, db, func(tx *sqldb.Tx) (err error) {
		if err = store.Invite(ctx, tx, inv, at); err != nil {
			return err
		}
		p, err = store.EnrolFirst(ctx, tx, sqlstore.Enrolment{Ticket: inv.Ticket, Password: "$phc$", Factor: f}, at)
		return err
	})
	return p, f
}

func proof(f authz.Factor, when time.Time) authz.StepUp {
	return authz.StepUp{Digest: authz.Digest{1}, At: when, Method: authz.MethodPasskey, Factor: f.ID}
}

func each(t *testing.T, f func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	sqldbtest.Each(t, f, sqlstore.Migrations)
}

func TestAccountsComeByInvitationOnce(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		tenant := openTenant(t, db)
		inv := invitation(tenant, authz.RoleOwner, "Ann@example.org", "s1")
		write(t, db, func(tx *sqldb.Tx) error { return store.Invite(ctx, tx, inv, at) })
		refused(t, db, authz.ErrExists, func(tx *sqldb.Tx) error {
			return store.Invite(ctx, tx, invitation(tenant, authz.RoleViewer, "aNN@EXAMPLE.org", "s2"), at)
		})
		e := sqlstore.Enrolment{Ticket: inv.Ticket, Password: "$phc$", Factor: authztest.Passkey(t, inv.Person.ID, "key"), Quarantine: day}
		late := inv.ExpiresAt
		refused(t, db, authz.ErrSpent, func(tx *sqldb.Tx) error { _, err := store.EnrolFirst(ctx, tx, e, late); return err })
		noPassword := e
		noPassword.Password = ""
		refused(t, db, authz.ErrInvalid, func(tx *sqldb.Tx) error { _, err := store.EnrolFirst(ctx, tx, noPassword, at); return err })
		write(t, db, func(tx *sqldb.Tx) error { _, err := store.EnrolFirst(ctx, tx, e, at); return err })
		again := e
		again.Factor = authztest.Passkey(t, inv.Person.ID, "other")
		refused(t, db, authz.ErrSpent, func(tx *sqldb.Tx) error { _, err := store.EnrolFirst(ctx, tx, again, at); return err })

		p := read(t, db, func(tx *sqldb.Tx) (authz.Person, error) { return store.PersonByEmail(ctx, tx, "ann@Example.ORG") })
		if p.ID != inv.Person.ID || p.Status != authz.PersonActive || p.Password != "$phc$" || p.Email != "Ann@example.org" {
			t.Fatalf("%+v", p)
		}
		fs := read(t, db, func(tx *sqldb.Tx) ([]authz.Factor, error) { return store.Factors(ctx, tx, p.ID) })
		if len(fs) != 1 || !fs[0].First || !fs[0].Quarantined(at.Add(day-1)) || fs[0].Quarantined(at.Add(day)) || fs[0].LeafIndex != -1 {
			t.Fatalf("%+v", fs)
		}
	})
}

func TestTenantsKeepAnOwner(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		tenant := openTenant(t, db)
		a, _ := join(t, db, tenant, authz.RoleOwner, "a@example.org")
		b, _ := join(t, db, tenant, authz.RoleOwner, "b@example.org")
		// Two owners remove each other at the same time: one stays.
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, p := range []authz.Person{a, b} {
			wg.Go(func() {
				errs[i] = db.Write(ctx, func(tx *sqldb.Tx) error { return store.CloseAccount(ctx, tx, p.ID, "test", at) })
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), authz.ErrLastOwner) {
			t.Fatal(errs)
		}
		last := a
		if errs[0] == nil {
			last = b
		}
		refused(t, db, authz.ErrLastOwner, func(tx *sqldb.Tx) error {
			return store.SetRole(ctx, tx, last.ID, authz.RoleViewer, "test", at)
		})
	})
}

func TestT13_FactorsNeedAFactorAndOthersAreTold(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		tenant := openTenant(t, db)
		owner, _ := join(t, db, tenant, authz.RoleOwner, "owner@example.org")
		ann, first := join(t, db, tenant, authz.RoleViewer, "ann@example.org")
		_, stranger := join(t, db, tenant, authz.RoleViewer, "eve@example.org")
		young := authztest.Passkey(t, ann.ID, "young")
		enrol := func(f authz.Factor, p authz.StepUp, when time.Time) func(*sqldb.Tx) error {
			return func(tx *sqldb.Tx) error { return store.EnrolFactor(ctx, tx, f, day, p, ann.ID.String(), when) }
		}
		refused(t, db, authz.ErrDenied, enrol(young, authz.StepUp{}, at))
		refused(t, db, authz.ErrDenied, enrol(young, proof(stranger, at), at))
		refused(t, db, authz.ErrDenied, enrol(young, proof(first, at.Add(-6*time.Minute)), at))
		write(t, db, enrol(young, proof(first, at), at))
		// The new factor brings in no further one while it is in quarantine.
		third := authztest.Passkey(t, ann.ID, "third")
		refused(t, db, authz.ErrQuarantined, enrol(third, proof(young, at.Add(time.Hour)), at.Add(time.Hour)))
		write(t, db, enrol(third, proof(young, at.Add(day)), at.Add(day)))

		// Ann and the owner are told, and the history is there for approvers.
		for _, p := range []authz.Person{ann, owner} {
			told := false
			for _, n := range read(t, db, func(tx *sqldb.Tx) ([]authz.Notice, error) { return store.Notices(ctx, tx, p.ID, 100) }) {
				told = told || n.What == "factor-enrolled" && strings.Contains(n.Detail, "young")
			}
			if !told {
				t.Errorf("%s was not told", p.Email)
			}
		}
		changes := read(t, db, func(tx *sqldb.Tx) ([]authz.Change, error) { return store.Changes(ctx, tx, ann.ID, at) })
		if len(changes) != 4 || changes[0].What != "factor-enrolled" || changes[0].By != ann.ID.String() {
			t.Errorf("history: %+v", changes)
		}
	})
}

func TestFactorsLastOneOutOfQuarantineStays(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		ann, first := join(t, db, openTenant(t, db), authz.RoleOwner, "ann@example.org")
		young := authztest.Passkey(t, ann.ID, "young")
		write(t, db, func(tx *sqldb.Tx) error {
			return store.EnrolFactor(ctx, tx, young, day, proof(first, at), "test", at)
		})
		remove := func(when time.Time) func(*sqldb.Tx) error {
			return func(tx *sqldb.Tx) error { return store.RemoveFactor(ctx, tx, ann.ID, first.ID, "test", when) }
		}
		refused(t, db, authz.ErrLastFactor, remove(at))
		refused(t, db, authz.ErrNotFound, func(tx *sqldb.Tx) error {
			return store.RemoveFactor(ctx, tx, authztest.NewPerson(), first.ID, "test", at.Add(day))
		})
		write(t, db, remove(at.Add(day)))
		refused(t, db, authz.ErrNotFound, remove(at.Add(day)))
	})
}

func TestT15_AKeyBelongsToOnePersonForEver(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		tenant := openTenant(t, db)
		ann, annKey := join(t, db, tenant, authz.RoleOwner, "ann@example.org")
		bob, bobKey := join(t, db, tenant, authz.RoleOperator, "bob@example.org")
		spare := authztest.Passkey(t, ann.ID, "spare")
		write(t, db, func(tx *sqldb.Tx) error {
			return store.EnrolFactor(ctx, tx, spare, 0, proof(annKey, at), "test", at)
		})
		steal := func(change func(*authz.PasskeyRecord)) func(*sqldb.Tx) error {
			f := authztest.Passkey(t, bob.ID, "stolen")
			change(f.Passkey)
			return func(tx *sqldb.Tx) error { return store.EnrolFactor(ctx, tx, f, 0, proof(bobKey, at), "test", at) }
		}
		sameCredential := steal(func(k *authz.PasskeyRecord) { k.Credential = annKey.Passkey.Credential })
		sameKey := steal(func(k *authz.PasskeyRecord) { k.PublicKey = annKey.Passkey.PublicKey })
		// The same key written differently: members in another order, and the
		// other y, which the same private key serves.
		var members map[int]cbor.RawMessage
		if err := cbor.Unmarshal(annKey.Passkey.PublicKey, &members); err != nil {
			t.Fatal(err)
		}
		rewritten := []byte{0xa5}
		for _, k := range []struct {
			label byte
			key   int
		}{{0x22, -3}, {0x21, -2}, {0x20, -1}, {0x03, 3}, {0x01, 1}} {
			rewritten = append(append(rewritten, k.label), members[k.key]...)
		}
		sameKeyRewritten := steal(func(k *authz.PasskeyRecord) { k.PublicKey = rewritten })
		for _, f := range []func(*sqldb.Tx) error{sameCredential, sameKey, sameKeyRewritten} {
			refused(t, db, authz.ErrCredentialTaken, f)
		}
		// Also after Ann has given it up.
		write(t, db, func(tx *sqldb.Tx) error { return store.RemoveFactor(ctx, tx, ann.ID, annKey.ID, "test", at) })
		for _, f := range []func(*sqldb.Tx) error{sameCredential, sameKey, sameKeyRewritten} {
			refused(t, db, authz.ErrCredentialTaken, f)
		}
		if fs := read(t, db, func(tx *sqldb.Tx) ([]authz.Factor, error) { return store.Factors(ctx, tx, bob.ID) }); len(fs) != 1 {
			t.Fatalf("bob has %d factors", len(fs))
		}
		// Nor does a person become two by a second account on one address.
		refused(t, db, authz.ErrExists, func(tx *sqldb.Tx) error {
			return store.Invite(ctx, tx, invitation(authz.TenantID{}, 0, "ANN@example.org", "x"), at)
		})
	})
}

func TestT12_RecoveryCodesWorkOnceAndResetsNeedARequest(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		ann, first := join(t, db, openTenant(t, db), authz.RoleOwner, "ann@example.org")
		codes := authz.NewRecoveryCodes()
		var hashes [][32]byte
		for _, c := range codes {
			h, err := authz.HashRecoveryCode(ann.ID, c)
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, h)
		}
		write(t, db, func(tx *sqldb.Tx) error { return store.RenewRecoveryCodes(ctx, tx, ann.ID, hashes, "test", at) })
		// A hundred uses at once of one code: one succeeds.
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 100 {
			wg.Go(func() {
				err := db.Write(ctx, func(tx *sqldb.Tx) error { return store.SpendRecoveryCode(ctx, tx, ann.ID, hashes[0], at) })
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, authz.ErrSpent) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("%d uses of one code", won)
		}
		other := authztest.NewPerson()
		refused(t, db, authz.ErrSpent, func(tx *sqldb.Tx) error { return store.SpendRecoveryCode(ctx, tx, other, hashes[1], at) })
		write(t, db, func(tx *sqldb.Tx) error {
			return store.RenewRecoveryCodes(ctx, tx, ann.ID, freshHashes(t, ann.ID), "test", at)
		})
		refused(t, db, authz.ErrSpent, func(tx *sqldb.Tx) error { return store.SpendRecoveryCode(ctx, tx, ann.ID, hashes[1], at) })

		// Nobody resets without a decided request; with one, everything is void.
		refused(t, db, authz.ErrDenied, func(tx *sqldb.Tx) error { return store.ResetFactors(ctx, tx, ann.ID, "", at) })
		ticket := authz.HashTicket("again")
		refused(t, db, authz.ErrDenied, func(tx *sqldb.Tx) error { // she has a factor
			return store.IssueEnrolment(ctx, tx, ann.ID, ticket, "req_1", at.Add(time.Hour), at)
		})
		write(t, db, func(tx *sqldb.Tx) error {
			if err := store.ResetFactors(ctx, tx, ann.ID, "req_1", at); err != nil {
				return err
			}
			return store.IssueEnrolment(ctx, tx, ann.ID, ticket, "req_1", at.Add(time.Hour), at)
		})
		left := read(t, db, func(tx *sqldb.Tx) (int, error) { return store.RecoveryCodesLeft(ctx, tx, ann.ID) })
		p := read(t, db, func(tx *sqldb.Tx) (authz.Person, error) { return store.Person(ctx, tx, ann.ID) })
		if left != 0 || p.SessionsAfter != at {
			t.Fatalf("%d codes left, sessions after %v", left, p.SessionsAfter)
		}
		refused(t, db, authz.ErrNotFound, func(tx *sqldb.Tx) error {
			return store.AdvancePasskey(ctx, tx, first.ID, 1, nil)
		})
		e := sqlstore.Enrolment{Ticket: ticket, Factor: authztest.Passkey(t, ann.ID, "new"), Quarantine: day}
		write(t, db, func(tx *sqldb.Tx) error { _, err := store.EnrolFirst(ctx, tx, e, at); return err })
	})
}

func freshHashes(t testing.TB, p authz.PersonID) [][32]byte {
	var hashes [][32]byte
	for _, c := range authz.NewRecoveryCodes() {
		h, err := authz.HashRecoveryCode(p, strings.ToUpper(strings.ReplaceAll(c, "-", " ")))
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	return hashes
}

func TestT04_ACodeBurnsOnEveryNode(t *testing.T) {
	sqldbtest.EachDSN(t, func(t *testing.T, dsn string) {
		nodes := []*sqldb.DB{sqldbtest.Open(t, dsn, sqlstore.Migrations), sqldbtest.Open(t, dsn, sqlstore.Migrations)}
		ann, first := join(t, nodes[0], openTenant(t, nodes[0]), authz.RoleOwner, "ann@example.org")
		secret, err := totp.NewSecret()
		if err != nil {
			t.Fatal(err)
		}
		blank, err := totp.State{}.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		f := authz.Factor{ID: id.New[authz.FactorKind](at), Person: ann.ID, Mechanism: authz.MechanismTOTP, Label: "phone",
			TOTP: &authz.TOTPRecord{Sealed: []byte("sealed"), State: blank}}
		write(t, nodes[0], func(tx *sqldb.Tx) error { return store.EnrolFactor(ctx, tx, f, 0, proof(first, at), "test", at) })
		use := func(db *sqldb.DB, code string, when time.Time) error {
			return db.Write(ctx, func(tx *sqldb.Tx) error {
				return store.BurnTOTP(ctx, tx, f.ID, func(f authz.Factor) ([]byte, error) {
					state, err := totp.ParseState(f.TOTP.State)
					if err != nil {
						return nil, err
					}
					if state, err = totp.Verify(secret, code, when, state); err != nil {
						return nil, err
					}
					return state.MarshalBinary()
				})
			})
		}
		code, err := totp.Code(secret, at)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 32 {
			wg.Go(func() {
				err := use(nodes[i%2], code, at)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("the code was taken %d times", won)
		}
		// After a restart, and in the neighbouring step, it is still burnt; no
		// Redis is part of this, so flushing it changes nothing.
		restarted := sqldbtest.Open(t, dsn, sqlstore.Migrations)
		for _, when := range []time.Time{at, at.Add(30 * time.Second), at.Add(-30 * time.Second)} {
			if err := use(restarted, code, when); err == nil {
				t.Fatalf("taken again at %v", when)
			}
		}
		next, err := totp.Code(secret, at.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := use(restarted, next, at.Add(time.Minute)); err != nil {
			t.Fatalf("the next code: %v", err)
		}
		// A mechanism that says yes and burns nothing is refused.
		if err := nodes[0].Write(ctx, func(tx *sqldb.Tx) error {
			return store.BurnTOTP(ctx, tx, f.ID, func(f authz.Factor) ([]byte, error) { return f.TOTP.State, nil })
		}); !errors.Is(err, authz.ErrReplayed) {
			t.Fatal(err)
		}
	})
}

func TestT06_ARewoundCounterIsRefused(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		_, key := join(t, db, openTenant(t, db), authz.RoleOwner, "ann@example.org")
		advance := func(n uint32) func(*sqldb.Tx) error {
			return func(tx *sqldb.Tx) error { return store.AdvancePasskey(ctx, tx, key.ID, n, []byte("r")) }
		}
		write(t, db, advance(0)) // an authenticator without a counter
		write(t, db, advance(7))
		for _, n := range []uint32{7, 6, 0} {
			refused(t, db, authz.ErrReplayed, advance(n))
		}
		write(t, db, advance(8))
		f := read(t, db, func(tx *sqldb.Tx) (authz.Factor, error) {
			return store.PasskeyByCredential(ctx, tx, key.Passkey.Credential)
		})
		if f.Passkey.SignCount != 8 || string(f.Passkey.Record) != "r" || !f.Passkey.DeviceBound {
			t.Fatalf("%+v", f.Passkey)
		}
	})
}

func mint(p authz.Person, name string, when time.Time) authz.Token {
	return authz.Token{ID: id.New[authz.TokenKind](when), Tenant: p.Tenant, Name: name, Hash: authz.HashTicket(name),
		Scopes: []authz.Scope{apitoken.VolumeRead, apitoken.SnapshotCreate}, Volumes: []string{"vol_a"},
		MintedBy: p.ID, MintedAt: when, ExpiresAt: when.Add(day)}
}

func TestTokensLiveAndDie(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		tenant := openTenant(t, db)
		ann, _ := join(t, db, tenant, authz.RoleOwner, "ann@example.org")
		tok := mint(ann, "ci", at)
		write(t, db, func(tx *sqldb.Tx) error { return store.MintToken(ctx, tx, tok) })
		live := func(when time.Time) error {
			return db.Read(ctx, func(tx *sqldb.Tx) error { _, err := store.LiveToken(ctx, tx, tok.ID, when); return err })
		}
		got := read(t, db, func(tx *sqldb.Tx) (authz.Token, error) { return store.LiveToken(ctx, tx, tok.ID, at) })
		if got.Hash != tok.Hash || len(got.Scopes) != 2 || got.AllVolumes || len(got.Volumes) != 1 || got.Tenant != tenant {
			t.Fatalf("%+v", got)
		}
		if err := live(tok.ExpiresAt); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("expired: %v", err)
		}
		bad := map[string]func(*authz.Token){
			"no scopes":  func(t *authz.Token) { t.Scopes = nil },
			"no volumes": func(t *authz.Token) { t.Volumes = nil },
			"no end":     func(t *authz.Token) { t.ExpiresAt = time.Time{} },
			"no hash":    func(t *authz.Token) { t.Hash = [32]byte{} },
			"two owners": func(t *authz.Token) { t.Site = "vault" },
		}
		for name, change := range bad {
			b := mint(ann, name, at)
			change(&b)
			refused(t, db, authz.ErrInvalid, func(tx *sqldb.Tx) error { return store.MintToken(ctx, tx, b) })
		}
		write(t, db, func(tx *sqldb.Tx) error { return store.TouchToken(ctx, tx, tok.ID, at.Add(time.Hour)) })
		write(t, db, func(tx *sqldb.Tx) error { return store.RevokeToken(ctx, tx, tok.ID, "test", at) })
		if err := live(at); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("revoked: %v", err)
		}
		list := read(t, db, func(tx *sqldb.Tx) ([]authz.Token, error) { return store.Tokens(ctx, tx, tenant) })
		if len(list) != 1 || list[0].LastUsedAt != at.Add(time.Hour) || list[0].RevokedAt != at {
			t.Fatalf("%+v", list)
		}
		// A tenant that closes takes its tokens along.
		second := mint(ann, "second", at)
		write(t, db, func(tx *sqldb.Tx) error { return store.MintToken(ctx, tx, second) })
		refused(t, db, authz.ErrDenied, func(tx *sqldb.Tx) error { return store.CloseTenant(ctx, tx, tenant, "", at) })
		write(t, db, func(tx *sqldb.Tx) error { return store.CloseTenant(ctx, tx, tenant, "req_1", at) })
		tok = second
		if err := live(at); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("closed tenant: %v", err)
		}
	})
}

func TestLockdownRevokesWhatIsYoung(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		tenant := openTenant(t, db)
		ann, old := join(t, db, tenant, authz.RoleOwner, "ann@example.org")
		aged := mint(ann, "aged", at)
		aged.ExpiresAt = at.Add(30 * day)
		write(t, db, func(tx *sqldb.Tx) error { return store.MintToken(ctx, tx, aged) })
		since := at.Add(2 * day)
		young := mint(ann, "young", since)
		spare := authztest.Passkey(t, ann.ID, "spare")
		write(t, db, func(tx *sqldb.Tx) error {
			if err := store.MintToken(ctx, tx, young); err != nil {
				return err
			}
			return store.EnrolFactor(ctx, tx, spare, day, proof(old, since), "test", since)
		})
		when := since.Add(time.Hour)
		var res sqlstore.LockdownResult
		write(t, db, func(tx *sqldb.Tx) (err error) {
			res, err = store.Lockdown(ctx, tx, tenant, since, old.ID, ann.ID.String(), when)
			return err
		})
		if res.Tokens != 1 || res.Factors != 1 || len(res.People) != 1 {
			t.Fatalf("%+v", res)
		}
		p := read(t, db, func(tx *sqldb.Tx) (authz.Person, error) { return store.Person(ctx, tx, ann.ID) })
		org := read(t, db, func(tx *sqldb.Tx) (authz.Tenant, error) { return store.Tenant(ctx, tx, tenant) })
		for created, want := range map[time.Time]bool{since.Add(-1): true, since: false, when: false, when.Add(time.Microsecond): true} {
			if p.Admits(org, created) != want {
				t.Errorf("session of %v: %v", created, !want)
			}
		}
		fs := read(t, db, func(tx *sqldb.Tx) ([]authz.Factor, error) { return store.Factors(ctx, tx, ann.ID) })
		if len(fs) != 1 || fs[0].ID != old.ID {
			t.Fatalf("%+v", fs)
		}
	})
}

func TestNoticesAreLeasedToOneWorker(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		ann, _ := join(t, db, openTenant(t, db), authz.RoleOwner, "ann@example.org")
		write(t, db, func(tx *sqldb.Tx) error {
			for range 20 {
				if err := store.Post(ctx, tx, ann.ID, "test", "hello", at); err != nil {
					return err
				}
			}
			return nil
		})
		lease := func(when time.Time) []authz.Notice {
			var list []authz.Notice
			if err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
				list, err = store.LeaseNotices(ctx, tx, 100, time.Minute, when)
				return err
			}); err != nil {
				t.Error(err)
			}
			return list
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		for range 4 {
			wg.Go(func() {
				for _, n := range lease(at) {
					mu.Lock()
					seen[n.ID]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != 22 { // and "invited", "factor-enrolled"
			t.Fatalf("%d notices leased", len(seen))
		}
		var done string
		for n, times := range seen {
			if times != 1 {
				t.Fatalf("%s leased %d times", n, times)
			}
			done = n
		}
		write(t, db, func(tx *sqldb.Tx) error { return store.MarkDelivered(ctx, tx, done, at) })
		if again := lease(at.Add(time.Minute)); len(again) != 21 || again[0].Attempts != 2 {
			t.Fatalf("%d come again", len(again))
		}
		refused(t, db, authz.ErrNotFound, func(tx *sqldb.Tx) error { return store.MarkRead(ctx, tx, authztest.NewPerson(), done, at) })
	})
}
