package authz_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/internal/id"
)

var (
	now      = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	acme     = id.New[authz.TenantKind](now)
	other    = id.New[authz.TenantKind](now)
	alice    = id.New[authz.PersonKind](now)
	bob      = id.New[authz.PersonKind](now)
	volumeA  = "vol_a"
	aVolume  = authz.Resource{Kind: authz.ResourceVolume, ID: volumeA, Tenant: acme, Volume: volumeA}
	aTenant  = authz.Resource{Kind: authz.ResourceTenant, ID: acme.String(), Tenant: acme}
	aRequest = authz.Resource{Kind: authz.ResourceRequest, ID: "req_1", Tenant: acme, Statement: authz.Digest{1}}
	aToken   = authz.Resource{Kind: authz.ResourceToken, ID: "tok_1", Tenant: acme}
	service  = authz.Resource{Kind: authz.ResourceService}
	self     = authz.Resource{Kind: authz.ResourcePerson, ID: alice.String(), Tenant: acme}
	staffOwn = authz.Resource{Kind: authz.ResourcePerson, ID: alice.String()}
	bobs     = authz.Resource{Kind: authz.ResourcePerson, ID: bob.String(), Tenant: acme}
	colleag  = authz.Resource{Kind: authz.ResourcePerson, ID: bob.String()}
)

func clock() time.Time { return now }

func decider(t testing.TB) *authz.Decider {
	t.Helper()
	d, err := authz.NewDecider(clock)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func facts() authz.SessionFacts {
	return authz.SessionFacts{ID: "s", PasswordAt: now.Add(-time.Hour), SecondFactorAt: now.Add(-time.Hour), Method: authz.MethodPasskey, HasFactor: true}
}

func member(role authz.Role) authz.Principal {
	return authz.Principal{Kind: authz.KindPerson, Person: alice, Tenant: acme, Role: role, Face: authz.FacePortal, Session: facts()}
}

func staff(role authz.StaffRole) authz.Principal {
	return authz.Principal{Kind: authz.KindPerson, Person: alice, Staff: role, Face: authz.FaceConsole, Session: facts()}
}

func token(scopes ...authz.Scope) authz.Principal {
	return authz.Principal{Kind: authz.KindToken, Token: id.New[authz.TokenKind](now), Tenant: acme, Scopes: scopes, AllVolumes: true}
}

func siteToken() authz.Principal {
	return authz.Principal{Kind: authz.KindToken, Token: id.New[authz.TokenKind](now), Site: "vault"}
}

var system = authz.Principal{Kind: authz.KindSystem, System: "schedule"}

// hostOperator is who holds the host's data directory.
var hostOperator = authz.Principal{Kind: authz.KindSystem, System: "operator"}

// stepped adds a step-up for exactly a on r.
func stepped(p authz.Principal, a authz.Action, r authz.Resource) authz.Principal {
	d := r.Statement
	if d.IsZero() {
		d = authz.OperationDigest(a, r)
	}
	return p.WithStepUp(authz.StepUp{Digest: d, At: now.Add(-time.Minute), Method: authz.MethodPasskey})
}

func with(p authz.Principal, change func(*authz.Principal)) authz.Principal {
	change(&p)
	return p
}

func passwordOnly(p authz.Principal) authz.Principal {
	p.Session.SecondFactorAt, p.Session.Method = time.Time{}, 0
	return p
}

type ask struct {
	p authz.Principal
	a authz.Action
	r authz.Resource
}

func up(p authz.Principal, a authz.Action, r authz.Resource) ask { return ask{stepped(p, a, r), a, r} }

func (q ask) but(change func(*authz.Principal)) ask {
	q.p = with(q.p, change)
	return q
}

func console(p *authz.Principal) { p.Face = authz.FaceConsole }
func portal(p *authz.Principal)  { p.Face = authz.FacePortal }
func quarantined(p *authz.Principal) {
	p.Session.Quarantined, p.Session.StepUp.Quarantined = true, true
}

// lines has, for every line of the policy, one question that the line decides
// and one beside it that gets the other answer. guard marks forbids that no
// permit contradicts today: they stand so that none ever can.
var lines = map[string]struct {
	allow, deny ask
	guard       bool
}{
	"forbid-other-tenant": {
		allow: ask{member(authz.RoleViewer), authz.FileRead, aVolume},
		deny:  ask{with(member(authz.RoleViewer), func(p *authz.Principal) { p.Tenant = other }), authz.FileRead, aVolume}},
	"forbid-tenant-on-service": {
		allow: ask{member(authz.RoleOwner), authz.FactorView, self},
		deny:  ask{member(authz.RoleOwner), authz.FactorView, staffOwn}},
	"forbid-before-second-factor": {
		allow: ask{member(authz.RoleOwner), authz.FileRead, aVolume},
		deny:  ask{passwordOnly(member(authz.RoleOwner)), authz.FileRead, aVolume}},
	"forbid-member-on-console": {
		allow: ask{member(authz.RoleOwner), authz.FileRead, aVolume},
		deny:  ask{member(authz.RoleOwner), authz.FileRead, aVolume}.but(console)},
	"forbid-staff-on-portal": {
		allow: ask{staff(authz.StaffApprover), authz.RequestVote, aRequest},
		deny:  ask{staff(authz.StaffApprover), authz.RequestVote, aRequest}.but(portal)},
	"forbid-automation-persons-powers": {guard: true,
		allow: ask{token(apitoken.AllScopes()...), authz.RequestDraft, aVolume},
		deny:  ask{token(apitoken.AllScopes()...), authz.RequestConfirm, aRequest}},
	"forbid-without-step-up": {
		allow: up(member(authz.RoleOwner), authz.RequestConfirm, aRequest),
		deny:  ask{member(authz.RoleOwner), authz.RequestConfirm, aRequest}},
	"forbid-weak-proof-decides": {
		allow: up(member(authz.RoleOwner), authz.RequestConfirm, aRequest),
		deny:  up(member(authz.RoleOwner), authz.RequestConfirm, aRequest).but(quarantined)},
	"forbid-weak-proof-widens": {
		allow: up(member(authz.RoleOwner), authz.TokenMint, aTenant),
		deny: up(member(authz.RoleOwner), authz.TokenMint, aTenant).but(func(p *authz.Principal) {
			p.Session.StepUp.Method = authz.MethodRecovery
		})},
	"forbid-young-factor-enrols": {
		allow: up(member(authz.RoleOwner), authz.FactorEnrol, self).but(func(p *authz.Principal) {
			quarantined(p)
			p.Session.StepUp.First = true
		}),
		deny: up(member(authz.RoleOwner), authz.FactorEnrol, self).but(quarantined)},
	"forbid-second-first-factor": {
		allow: ask{passwordOnly(member(authz.RoleOwner)), authz.FactorEnrolFirst, self}.but(func(p *authz.Principal) { p.Session.HasFactor = false }),
		deny:  ask{passwordOnly(member(authz.RoleOwner)), authz.FactorEnrolFirst, self}},
	"forbid-own-promotion": {
		allow: up(member(authz.RoleOwner), authz.PeopleSetRole, bobs),
		deny:  up(member(authz.RoleOwner), authz.PeopleSetRole, self)},
	"forbid-token-outside-volumes": {
		allow: ask{token(apitoken.VolumeRead), authz.FileRead, aVolume}.but(func(p *authz.Principal) { p.AllVolumes, p.Volumes = false, []string{volumeA} }),
		deny:  ask{token(apitoken.VolumeRead), authz.FileRead, aVolume}.but(func(p *authz.Principal) { p.AllVolumes, p.Volumes = false, []string{"vol_b"} })},

	"own-session": {
		allow: ask{passwordOnly(member(authz.RoleViewer)), authz.SessionVerify, self},
		deny:  ask{passwordOnly(member(authz.RoleViewer)), authz.SessionVerify, bobs}},
	"own-account": {
		allow: ask{member(authz.RoleViewer), authz.FactorView, self},
		deny:  ask{member(authz.RoleOwner), authz.FactorView, bobs}},
	"member-reads": {
		allow: ask{member(authz.RoleViewer), authz.SnapshotRead, aVolume},
		deny:  ask{member(authz.RoleViewer), authz.FileWrite, aVolume}},
	"member-reads-service": {
		allow: ask{member(authz.RoleViewer), authz.LogView, authz.Resource{Kind: authz.ResourceLog}},
		deny:  ask{member(authz.RoleOwner), authz.StatusView, service}},
	"operator-works": {
		allow: ask{member(authz.RoleOperator), authz.VolumeDelete, aVolume},
		deny:  ask{member(authz.RoleViewer), authz.VolumeDelete, aVolume}},
	"operator-confirms": {
		allow: up(member(authz.RoleOperator), authz.RequestConfirm, aRequest),
		deny:  up(member(authz.RoleViewer), authz.RequestConfirm, aRequest)},
	"member-stops": {
		allow: ask{member(authz.RoleViewer), authz.RequestCancel, aRequest},
		deny:  ask{member(authz.RoleOwner), authz.FreezeService, service}},
	"owner-runs-tenant": {
		allow: up(member(authz.RoleOwner), authz.PeopleInvite, aTenant),
		deny:  up(member(authz.RoleOperator), authz.PeopleInvite, aTenant)},
	"operator-revokes-token": {
		allow: ask{member(authz.RoleOperator), authz.TokenRevoke, aToken},
		deny:  ask{member(authz.RoleViewer), authz.TokenRevoke, aToken}},
	"staff-reads": {
		allow: ask{staff(authz.StaffAuditor), authz.AuditViewAll, service},
		deny:  ask{staff(authz.StaffApprover), authz.FileRead, aVolume}},
	"approver-decides": {
		allow: ask{staff(authz.StaffApprover), authz.RequestVote, aRequest},
		deny:  ask{staff(authz.StaffAuditor), authz.RequestVote, aRequest}},
	"approver-stops": {
		allow: up(staff(authz.StaffApprover), authz.FreezeService, service),
		deny:  up(staff(authz.StaffAuditor), authz.FreezeService, service)},
	"approver-asks": {
		allow: ask{staff(authz.StaffApprover), authz.CharterPropose, authz.Resource{Kind: authz.ResourceCharter}},
		deny:  ask{staff(authz.StaffAuditor), authz.CharterPropose, authz.Resource{Kind: authz.ResourceCharter}}},
	"approver-runs-service": {
		allow: up(staff(authz.StaffApprover), authz.TenantCreate, service),
		deny:  up(staff(authz.StaffAuditor), authz.TenantCreate, service)},
	"token-volume-read": {
		allow: ask{token(apitoken.VolumeRead), authz.FileRead, aVolume},
		deny:  ask{token(apitoken.VolumeWrite), authz.FileRead, aVolume}},
	"token-volume-write": {
		allow: ask{token(apitoken.VolumeWrite), authz.FileDelete, aVolume},
		deny:  ask{token(apitoken.VolumeRead), authz.FileDelete, aVolume}},
	"token-volume-create": {
		allow: ask{token(apitoken.VolumeCreate), authz.VolumeCreate, aTenant},
		deny:  ask{token(apitoken.VolumeWrite), authz.VolumeCreate, aTenant}},
	"token-snapshot-create": {
		allow: ask{token(apitoken.SnapshotCreate), authz.SnapshotTake, aVolume},
		deny:  ask{token(apitoken.SnapshotRead), authz.SnapshotTake, aVolume}},
	"token-snapshot-read": {
		allow: ask{token(apitoken.SnapshotRead), authz.SnapshotRead, aVolume},
		deny:  ask{token(apitoken.SnapshotCreate), authz.SnapshotRead, aVolume}},
	"token-snapshot-restore": {
		allow: ask{token(apitoken.SnapshotRestore), authz.SnapshotRestore, aVolume},
		deny:  ask{token(apitoken.SnapshotRead), authz.SnapshotRestore, aVolume}},
	"token-request-draft": {
		allow: ask{token(apitoken.RequestDraft), authz.RequestDraft, aVolume},
		deny:  ask{token(apitoken.RequestRead), authz.RequestDraft, aVolume}},
	"token-request-read": {
		allow: ask{token(apitoken.RequestRead), authz.RequestView, aRequest},
		deny:  ask{token(apitoken.RequestDraft), authz.RequestView, aRequest}},
	"token-public": {
		allow: ask{token(apitoken.VolumeRead), authz.LogView, authz.Resource{Kind: authz.ResourceLog}},
		deny:  ask{token(apitoken.VolumeRead), authz.SiteView, authz.Resource{Kind: authz.ResourceSite}}},
	"token-site-pull": {
		allow: ask{siteToken(), authz.SitePull, authz.Resource{Kind: authz.ResourceSite, ID: "primary"}},
		deny:  ask{token(apitoken.AllScopes()...), authz.SitePull, authz.Resource{Kind: authz.ResourceSite, ID: "primary"}}},
	"system-works": {
		allow: ask{system, authz.SnapshotTake, aVolume},
		deny:  ask{system, authz.FileRead, aVolume}},
	"forbid-automation-founds": {guard: true,
		allow: ask{hostOperator, authz.TenantCreate, service},
		deny:  ask{system, authz.TenantCreate, service}},
	"forbid-host-operator-else": {guard: true,
		allow: ask{hostOperator, authz.LogView, service},
		deny:  ask{hostOperator, authz.RequestView, aRequest}},
	"host-operator-founds": {
		allow: ask{hostOperator, authz.StaffInvite, service},
		deny:  ask{hostOperator, authz.RequestVote, aRequest}},
}

func TestEveryPolicyLineDecides(t *testing.T) {
	d := decider(t)
	for name, forbids := range authz.PolicyIDs() {
		t.Run(name, func(t *testing.T) {
			l, ok := lines[name]
			if !ok {
				t.Fatal("no question exercises this line")
			}
			if err := d.Decide(l.allow.p, l.allow.a, l.allow.r); err != nil {
				t.Errorf("should be allowed: %v", err)
			}
			if err := d.Decide(l.deny.p, l.deny.a, l.deny.r); err == nil {
				t.Error("should be denied")
			}
			// Without the line the answer turns: it is this line that decides.
			if forbids && !l.guard && !d.AskWithout(l.deny.p, l.deny.a, l.deny.r, name) {
				t.Error("the denial does not rest on this line")
			}
			if !forbids && d.AskWithout(l.allow.p, l.allow.a, l.allow.r, name) {
				t.Error("the permission does not rest on this line")
			}
		})
	}
	for name := range lines {
		if _, ok := authz.PolicyIDs()[name]; !ok {
			t.Errorf("%s is no line of the policy", name)
		}
	}
}

func TestRefusalsSayWhatWouldHelp(t *testing.T) {
	d := decider(t)
	owner := member(authz.RoleOwner)
	for name, c := range map[string]struct {
		q    ask
		want error
	}{
		"second factor":           {ask{passwordOnly(owner), authz.FileRead, aVolume}, authz.ErrSecondFactorRequired},
		"second factor first":     {ask{passwordOnly(owner), authz.RequestConfirm, aRequest}, authz.ErrSecondFactorRequired},
		"never, whatever factor":  {ask{passwordOnly(owner), authz.FreezeService, service}, authz.ErrDenied},
		"quarantine":              {lines["forbid-weak-proof-decides"].deny, authz.ErrQuarantined},
		"another tenant":          {ask{owner, authz.FileRead, authz.Resource{Kind: authz.ResourceVolume, Tenant: other}}, authz.ErrNotFound},
		"unknown action":          {ask{owner, 9999, aVolume}, authz.ErrDenied},
		"zero action":             {ask{owner, 0, aVolume}, authz.ErrDenied},
		"zero principal":          {ask{authz.Principal{}, authz.LogView, service}, authz.ErrDenied},
		"zero resource":           {ask{owner, authz.FileRead, authz.Resource{}}, authz.ErrDenied},
		"member and staff in one": {ask{with(owner, func(p *authz.Principal) { p.Staff = authz.StaffApprover }), authz.FileRead, aVolume}, authz.ErrDenied},
		"token with a session":    {ask{with(token(apitoken.VolumeRead), func(p *authz.Principal) { p.Session = facts() }), authz.FileRead, aVolume}, authz.ErrDenied},
	} {
		if err := d.Decide(c.q.p, c.q.a, c.q.r); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestT01_PasswordAloneOpensNothing(t *testing.T) {
	d := decider(t)
	for _, role := range []authz.Role{authz.RoleOwner, authz.RoleOperator, authz.RoleViewer} {
		p := passwordOnly(member(role))
		for _, a := range authz.Actions() {
			for _, r := range []authz.Resource{aVolume, aTenant, aRequest, aToken, self, service, bobs} {
				err := d.Decide(p, a, r)
				own := r.ID == self.ID && (a == authz.SessionVerify || a == authz.SessionEnd)
				if (err == nil) != own {
					t.Errorf("%s may %s on %s: %v", role, a, r.Kind, err)
				}
			}
		}
	}
}

func TestT03_DeletionWithoutStepUpIsAskedForOne(t *testing.T) {
	err := decider(t).Decide(member(authz.RoleOwner), authz.RequestConfirm, aRequest)
	var need *authz.StepUpRequiredError
	if !errors.As(err, &need) || !errors.Is(err, authz.ErrStepUpRequired) {
		t.Fatalf("got %v", err)
	}
	if need.Digest != aRequest.Statement || need.MaxAge != 5*time.Minute {
		t.Fatalf("asked for %+v", need)
	}
}

func TestT07_StepUpIsForOneStatementAndFiveMinutes(t *testing.T) {
	d := decider(t)
	good := stepped(member(authz.RoleOwner), authz.RequestConfirm, aRequest)
	for name, change := range map[string]func(*authz.StepUp){
		"another statement": func(s *authz.StepUp) { s.Digest[31] ^= 1 },
		"no digest":         func(s *authz.StepUp) { s.Digest = authz.Digest{} },
		"too old":           func(s *authz.StepUp) { s.At = now.Add(-5*time.Minute - time.Microsecond) },
		"from the future":   func(s *authz.StepUp) { s.At = now.Add(3 * time.Second) },
		"no method":         func(s *authz.StepUp) { s.Method = 0 },
		"no time":           func(s *authz.StepUp) { s.At = time.Time{} },
	} {
		p := good
		change(&p.Session.StepUp)
		if err := d.Decide(p, authz.RequestConfirm, aRequest); !errors.Is(err, authz.ErrStepUpRequired) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := good
	p.Session.StepUp.At = now.Add(-5 * time.Minute)
	if err := d.Decide(p, authz.RequestConfirm, aRequest); err != nil {
		t.Errorf("at five minutes sharp: %v", err)
	}
	// A step-up for giving bob one role does not give him another.
	viewer, owner := bobs, bobs
	viewer.Detail, owner.Detail = "role viewer", "role owner"
	p = stepped(member(authz.RoleOwner), authz.PeopleSetRole, viewer)
	if err := d.Decide(p, authz.PeopleSetRole, owner); !errors.Is(err, authz.ErrStepUpRequired) {
		t.Errorf("other detail: %v", err)
	}
}

// persons are the powers that no token and no job ever has.
var persons = []authz.Action{
	authz.RequestConfirm, authz.RequestVote, authz.RequestDeny, authz.RequestCancel, authz.RequestRelease, authz.TombstoneRestore,
	authz.RequestDraftWeakening, authz.RequestDraftForTenant, authz.RequestDraftService, authz.CharterPropose, authz.ApproverSuspend,
	authz.FactorEnrolFirst, authz.FactorEnrol, authz.FactorRemove, authz.RecoveryRenew, authz.PasswordChange, authz.SessionVerify,
	authz.TokenMint, authz.TokenRevoke, authz.SiteTokenMint, authz.SiteTokenRevoke, authz.Lockdown,
	authz.PeopleInvite, authz.PeopleSetRole, authz.PeopleRemove, authz.StaffInvite, authz.StaffRemove, authz.TenantCreate,
}

func TestT09_TokensAndJobsNeverHavePersonsPowers(t *testing.T) {
	d := decider(t)
	rapid.Check(t, func(t *rapid.T) {
		p := system
		switch rapid.IntRange(0, 2).Draw(t, "who") {
		case 0:
			p = token(rapid.SliceOfNDistinct(rapid.SampledFrom(apitoken.AllScopes()), 1, 8, rapid.ID[authz.Scope]).Draw(t, "scopes")...)
		case 1:
			p = siteToken()
		}
		a := rapid.SampledFrom(persons).Draw(t, "action")
		r := rapid.SampledFrom([]authz.Resource{aVolume, aTenant, aRequest, aToken, service, self, staffOwn}).Draw(t, "resource")
		if err := d.Decide(p, a, r); err == nil {
			t.Fatalf("%s may %s", p.Kind, a)
		}
		// Nor by dressing up: a token with a session is no principal at all.
		p.Session = facts()
		if err := d.Decide(stepped(p, a, r), a, r); !errors.Is(err, authz.ErrDenied) {
			t.Fatalf("%s with a session: %v", p.Kind, err)
		}
	})
}

func TestT11_AnotherTenantsThingsDoNotExist(t *testing.T) {
	d := decider(t)
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]authz.Principal{
			member(authz.RoleOwner), member(authz.RoleViewer), passwordOnly(member(authz.RoleOwner)), token(apitoken.AllScopes()...),
		}).Draw(t, "who")
		a := rapid.SampledFrom(authz.Actions()).Draw(t, "action")
		r := rapid.SampledFrom([]authz.Resource{aVolume, aTenant, aRequest, aToken, bobs, self}).Draw(t, "resource")
		r.Tenant = other
		if err := d.Decide(p, a, r); err != authz.ErrNotFound {
			t.Fatalf("%s: %v", a, err)
		}
	})
}

func TestI5_YoungFactorsAndRecoveryCodesStopButDoNotDecide(t *testing.T) {
	d := decider(t)
	recovered := func(p *authz.Principal) {
		p.Session.Method, p.Session.StepUp.Method = authz.MethodRecovery, authz.MethodRecovery
	}
	for name, weaken := range map[string]func(*authz.Principal){"quarantine": quarantined, "recovery": recovered} {
		for _, q := range []ask{
			{member(authz.RoleViewer), authz.RequestCancel, aRequest}, {member(authz.RoleViewer), authz.HoldPlace, aVolume},
			{member(authz.RoleOwner), authz.FreezeTenant, aTenant}, {staff(authz.StaffApprover), authz.RequestDeny, aRequest},
			up(member(authz.RoleOwner), authz.TombstoneRestore, aVolume), up(member(authz.RoleOwner), authz.Lockdown, aTenant),
		} {
			if err := d.Decide(with(q.p, weaken), q.a, q.r); err != nil {
				t.Errorf("%s: %s: %v", name, q.a, err)
			}
		}
		for _, q := range []ask{
			up(member(authz.RoleOwner), authz.RequestConfirm, aRequest), up(staff(authz.StaffApprover), authz.RequestVote, aRequest),
			up(member(authz.RoleOwner), authz.RequestDraftWeakening, aTenant), up(member(authz.RoleOwner), authz.TokenMint, aTenant),
			up(member(authz.RoleOwner), authz.FactorRemove, self), up(staff(authz.StaffApprover), authz.StaffInvite, service),
		} {
			if err := d.Decide(with(q.p, weaken), q.a, q.r); !errors.Is(err, authz.ErrQuarantined) {
				t.Errorf("%s: %s: %v", name, q.a, err)
			}
		}
	}
}

func TestI6_PolicyErrorsDeny(t *testing.T) {
	for name, text := range map[string]string{
		// Cedar skips a forbid that errors and would allow.
		"forbid that errors": `@id("a") permit (principal, action, resource);
			@id("b") forbid (principal, action, resource) when { principal.missing == 1 };`,
		"permit that errors": `@id("a") permit (principal, action, resource);
			@id("b") permit (principal, action, resource) when { context.missing };`,
	} {
		d, err := authz.NewDeciderWith(text, clock)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decide(member(authz.RoleOwner), authz.FileRead, aVolume); !errors.Is(err, authz.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "no id": `permit (principal, action, resource);`, "syntax": `@id("a") permit (`,
		"id twice": `@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);`,
	} {
		if _, err := authz.NewDeciderWith(text, clock); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	var none *authz.Decider
	if err := none.Decide(member(authz.RoleOwner), authz.LogView, service); !errors.Is(err, authz.ErrDenied) {
		t.Errorf("no decider: %v", err)
	}
	if err := (&authz.Decider{}).Decide(member(authz.RoleOwner), authz.LogView, service); !errors.Is(err, authz.ErrDenied) {
		t.Errorf("zero decider: %v", err)
	}
}

func TestEveryActionIsGivenToSomeone(t *testing.T) {
	d := decider(t)
	everyone := []authz.Principal{
		member(authz.RoleOwner), staff(authz.StaffApprover), token(apitoken.AllScopes()...), siteToken(), system,
		with(passwordOnly(member(authz.RoleOwner)), func(p *authz.Principal) { p.Session.HasFactor = false }),
	}
	for _, a := range authz.Actions() {
		given := false
		for _, p := range everyone {
			for _, r := range []authz.Resource{aVolume, aTenant, aRequest, aToken, self, bobs, colleag, staffOwn, service} {
				q := p
				if p.Kind == authz.KindPerson && !p.Session.SecondFactorAt.IsZero() {
					q = stepped(p, a, r)
				}
				given = given || d.Decide(q, a, r) == nil
			}
		}
		if !given {
			t.Errorf("nobody may %s", a)
		}
		if back, err := authz.ParseAction(a.String()); err != nil || back != a {
			t.Errorf("%s reads back as %v, %v", a, back, err)
		}
	}
}

func TestOperationTextCannotBeForged(t *testing.T) {
	a := authz.Resource{Kind: authz.ResourcePerson, ID: "x\"\ndetail \"role owner"}
	b := authz.Resource{Kind: authz.ResourcePerson, ID: "x", Detail: "role owner"}
	if authz.OperationDigest(authz.PeopleSetRole, a) == authz.OperationDigest(authz.PeopleSetRole, b) {
		t.Fatal("two operations share a digest")
	}
}

func BenchmarkDecide(b *testing.B) {
	d := decider(b)
	p := stepped(member(authz.RoleOwner), authz.RequestConfirm, aRequest)
	for b.Loop() {
		if err := d.Decide(p, authz.RequestConfirm, aRequest); err != nil {
			b.Fatal(err)
		}
	}
}
