package charter

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"filippo.io/age"

	"holdfast/quorum/internal/plain"
)

// validator remembers the first refusal.
type validator struct {
	c   *Charter
	err error
}

func (v *validator) that(ok bool, name, format string, args ...any) {
	if v.err == nil && !ok {
		v.err = &InvalidError{name, fmt.Sprintf(format, args...)}
	}
}

func (v *validator) id(what, s string) {
	v.that(plain.IsWord(s) && len(s) <= MaxID, "malformed-id", "%s %s", what, plain.Name(s))
}

// Validate refuses a charter that is incomplete, contradicts itself, weakens its purpose's floors, or whose quorum is
// below two or cannot be reached in the worst lawful case (I6, T22). The error is an *InvalidError that names the case.
func (c *Charter) Validate() error { return c.Normalise().validate() }

func (c *Charter) validate() error {
	v := &validator{c: c}
	v.general()
	v.origins()
	v.people()
	v.keys()
	v.sites()
	if v.err == nil {
		v.reach()
	}
	return v.err
}

func (v *validator) general() {
	c := v.c
	f, ok := floorsOf[c.Purpose]
	v.that(ok, "unknown-purpose", "purpose %s", plain.Name(string(c.Purpose)))
	v.that(c.Number > 0 && c.Number < 1<<63, "number", "number %d", c.Number)
	v.that((c.Number == 1) == (c.Previous == [32]byte{}), "previous", "number one alone has no predecessor")
	v.that(plain.CheckTime("created-at", c.CreatedAt) == nil, "created-at", "not a time between 1970 and 9999")
	v.delay("undo", c.Undo, f.undo)
	v.delay("quarantine", c.Quarantine, f.quarantine)
	v.delay("stagger", c.Stagger, f.stagger)
	v.that(c.Clocks >= f.clocks && c.Clocks <= 16, "clocks-below-floor", "clocks %d, %s demands at least %d and at most 16", c.Clocks, c.Purpose, f.clocks)
	switch c.KeepRules {
	case KeepByOwner, KeepByOperator, KeepByQuorum:
	default:
		v.that(false, "keep-rules", "unknown authority %s", plain.Name(string(c.KeepRules)))
	}
	v.that(len(c.Recipients) > 0 && len(c.Recipients) <= MaxSites, "no-recovery-recipient", "%d recovery recipients", len(c.Recipients))
	for i, r := range c.Recipients {
		_, x := age.ParseX25519Recipient(r.Age)
		_, h := age.ParseHybridRecipient(r.Age)
		v.that(plain.IsWord(r.Age) && (x == nil || h == nil), "recovery-recipient", "%s is not an age recipient", plain.Name(r.Age))
		v.name("recipient", r.Name)
		v.that(i == 0 || c.Recipients[i-1].Age < r.Age, "duplicate-recipient", "%s", r.Age)
	}
}

func (v *validator) name(what, s string) {
	v.that(plain.Checked(what, s, MaxName) == nil && strings.TrimSpace(s) != "", "malformed-name", "%s %s", what, plain.Name(strings.ToValidUTF8(s, "?")))
}

func (v *validator) delay(what string, d, floor time.Duration) {
	v.that(plain.CheckDuration(what, d) == nil && d <= MaxDelay, "malformed-delay", "%s is not whole seconds up to a year", what)
	v.that(d >= floor, what+"-below-floor", "%s %s, purpose %s demands at least %s", what, d, v.c.Purpose, floor)
}

func (v *validator) origins() {
	c := v.c
	v.that(len(c.Origins) > 0 && len(c.Origins) <= MaxSites, "no-origin", "%d origins", len(c.Origins))
	for i, o := range c.Origins {
		v.that(i == 0 || c.Origins[i-1].URL < o.URL, "duplicate-origin", "%s", plain.Name(o.URL))
		v.that(originOK(o), "malformed-origin", "%s with RP id %s", plain.Name(o.URL), plain.Name(o.RP))
	}
}

// originOK demands scheme://host[:port] alone, https except on localhost, and an RP id that is the host or a parent of it.
func originOK(o Origin) bool {
	u, err := url.Parse(o.URL)
	if err != nil || !plain.IsWord(o.URL) || len(o.URL) > MaxURL || u.Host == "" || u.Scheme+"://"+u.Host != o.URL || strings.ToLower(o.URL) != o.URL {
		return false
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil || o.RP == "" {
		return false
	}
	if u.Scheme != "https" && (u.Scheme != "http" || host != "localhost") {
		return false
	}
	return host == o.RP || strings.HasSuffix(host, "."+o.RP) && strings.Contains(o.RP, ".")
}

func (v *validator) people() {
	c := v.c
	v.that(len(c.Approvers) > 0 && len(c.Approvers) <= MaxApprovers, "roster", "%d approvers", len(c.Approvers))
	rps := map[string]bool{}
	for _, rp := range c.RPs() {
		rps[rp] = true
	}
	names, keys, creds := map[string]string{}, map[string]string{}, map[string]string{}
	for i, a := range c.Approvers {
		v.id("approver", a.ID)
		v.id("team", a.Team)
		v.name("approver", a.Name)
		v.that(i == 0 || c.Approvers[i-1].ID < a.ID, "duplicate-person", "%s", a.ID)
		folded := strings.ToLower(strings.Join(strings.Fields(a.Name), " "))
		other, twice := names[folded]
		v.that(!twice, "duplicate-name", "%s and %s are both called %s", other, a.ID, plain.Name(a.Name))
		names[folded] = a.ID
		v.that(plain.CheckTime("", a.AdmittedAt) == nil && !a.AdmittedAt.After(c.CreatedAt), "admission", "%s is admitted after the charter's creation", a.ID)
		v.that(len(a.Keys) > 0 && len(a.Keys) <= MaxKeysEach, "approver-without-key", "%s has %d keys", a.ID, len(a.Keys))
		for _, k := range a.Keys {
			v.that(len(k.CredentialID) > 0 && len(k.CredentialID) <= MaxCredentialID, "credential-id", "of %s", a.ID)
			_, err := COSEAlgorithm(k.PublicKey)
			v.that(err == nil, "malformed-key", "of %s: %v", a.ID, err)
			if v.err != nil {
				return
			}
			v.that(rps[k.RP], "unknown-rp", "a key of %s is for RP id %s, which no origin uses", a.ID, plain.Name(k.RP))
			v.that(plain.CheckTime("", k.AdmittedAt) == nil && !k.AdmittedAt.Before(a.AdmittedAt) && !k.AdmittedAt.After(c.CreatedAt), "admission",
				"a key of %s is admitted before its owner or after the charter's creation", a.ID)
			other, twice := keys[k.material()]
			v.that(!twice, "shared-key", "%s and %s have one public key", other, a.ID)
			keys[k.material()] = a.ID
			other, twice = creds[string(k.CredentialID)]
			v.that(!twice, "shared-credential", "%s and %s have one credential id", other, a.ID)
			creds[string(k.CredentialID)] = a.ID
		}
	}
}

// keys demands that every Ed25519 key has one role: a key with two would let its holder count twice.
func (v *validator) keys() {
	c := v.c
	used := map[string]string{}
	for _, a := range c.Approvers {
		for _, k := range a.Keys {
			used[k.material()] = "approver " + a.ID
		}
	}
	use := func(what string, k [32]byte) {
		other, twice := used[string(k[:])]
		v.that(!twice, "shared-key", "%s and %s have one key", other, what)
		v.that(k != [32]byte{}, "malformed-key", "%s has a zero key", what)
		used[string(k[:])] = what
	}
	v.that(len(c.Attestations) <= MaxSites, "attestations", "%d attestation keys", len(c.Attestations))
	for i, s := range c.Attestations {
		v.id("attestation", s.ID)
		v.that(i == 0 || c.Attestations[i-1].ID < s.ID, "duplicate-attestation", "%s", s.ID)
		use("attestation "+s.ID, s.Key)
	}
	noteName := func(what, s string) {
		v.id(what, s)
		v.that(!strings.Contains(s, "+"), "malformed-id", "%s %s contains +", what, plain.Name(s))
	}
	noteName("log", c.Log.ID)
	use("log", c.Log.Key)
	holders := map[string]bool{}
	v.that(len(c.WitnessKeys) <= MaxApprovers, "witness-keys", "%d witness keys", len(c.WitnessKeys))
	for i, w := range c.WitnessKeys {
		noteName("witness", w.Name)
		v.id("witness holder", w.Holder)
		v.that(i == 0 || c.WitnessKeys[i-1].Name < w.Name, "duplicate-witness", "%s", w.Name)
		use("witness "+w.Name, w.Key)
		switch w.HolderKind {
		case "site":
			s, ok := c.Site(w.Holder)
			v.that(ok && s.Role == Independent, "witness-not-independent", "%s is held by %s, which is no independent site", w.Name, plain.Name(w.Holder))
		case "person":
			_, ok := c.Approver(w.Holder)
			v.that(ok, "witness-holder", "%s is held by %s, who is no approver", w.Name, plain.Name(w.Holder))
		case "external":
		default:
			v.that(false, "witness-holder", "holder kind %s", plain.Name(w.HolderKind))
		}
		holders[w.HolderKind+" "+w.Holder] = true
	}
	v.that(c.Witnesses >= 0 && c.Witnesses <= len(holders), "witnesses-unreachable", "witnesses %d, but %d parties hold witness keys", c.Witnesses, len(holders))
	for _, s := range c.Sites {
		use("site "+s.Name, s.Key)
	}
}

func (v *validator) sites() {
	c := v.c
	v.that(len(c.Sites) > 0 && len(c.Sites) <= MaxSites, "no-site", "%d sites", len(c.Sites))
	primaries, independents, totp := 0, 0, false
	f := floorsOf[c.Purpose]
	for i, s := range c.Sites {
		v.id("site", s.Name)
		v.that(i == 0 || c.Sites[i-1].Name < s.Name, "duplicate-site", "%s", s.Name)
		v.that(s.Approvals >= MinApprovals, "quorum-below-two", "site %s: approvals %d", s.Name, s.Approvals)
		v.that(s.Approvals <= len(c.Approvers), "quorum-above-roster", "site %s: approvals %d of %d approvers", s.Name, s.Approvals, len(c.Approvers))
		v.that(s.Teams >= 1 && s.Teams <= s.Approvals, "teams", "site %s: teams %d, approvals %d", s.Name, s.Teams, s.Approvals)
		v.that(s.Hardware >= 0 && s.Hardware <= s.Approvals, "hardware", "site %s: hardware %d, approvals %d", s.Name, s.Hardware, s.Approvals)
		v.that(s.Independent >= 0 && s.Independent <= s.Approvals, "independent", "site %s: independent %d, approvals %d", s.Name, s.Independent, s.Approvals)
		switch s.Role {
		case Primary:
			primaries++
		case Replica:
		case Independent:
			independents++
			v.that(s.Hardware >= MinIndependentHardware, "hardware-below-two", "independent site %s: hardware %d", s.Name, s.Hardware)
			v.that(s.Independent >= MinIndependentVotes, "no-independent-vote", "independent site %s: independent %d", s.Name, s.Independent)
		default:
			v.that(false, "unknown-role", "site %s: %s", s.Name, plain.Name(string(s.Role)))
		}
		totp = totp || s.TOTP
		v.delay("cooling", s.Cooling, f.cooling)
		v.delay("grace", s.Grace, f.grace)
		v.delay("last-extra", s.LastExtra, f.lastExtra)
		k := s.Caps
		v.that(k.RequestCopies >= 1 && k.RequestCopies <= k.DayCopies && k.DayCopies <= MaxCapCopies &&
			k.RequestBytes >= 1 && k.RequestBytes <= k.DayBytes && k.DayBytes <= MaxCapBytes, "caps",
			"site %s: caps are positive, and those of a request no larger than those of a day", s.Name)
	}
	v.that(primaries == 1, "one-primary", "%d primary sites", primaries)
	v.that(independents == 0 || c.Witnesses >= 1, "witnesses-below-one", "independent sites without a witness")
	v.that(!totp || len(c.Attestations) > 0, "totp-without-attestation", "a site counts TOTP votes, but no attestation key is named")
	for i, m := range c.Mailboxes {
		_, ok := c.Site(m.Site)
		u, err := url.Parse(m.URL)
		v.that(ok && err == nil && plain.IsWord(m.URL) && len(m.URL) <= MaxURL && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http"),
			"mailbox", "%s of %s", plain.Name(m.URL), plain.Name(m.Site))
		v.that(i == 0 || c.Mailboxes[i-1] != m, "duplicate-mailbox", "%s", plain.Name(m.URL))
	}
	v.that(len(c.Mailboxes) <= MaxSites*4, "mailbox", "%d mailboxes", len(c.Mailboxes))
}
