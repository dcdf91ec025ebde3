package control

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/password"
	"holdfast/authz/session"
	authzsql "holdfast/authz/sqlstore"
	"holdfast/authz/throttle"
	"holdfast/authz/ticket"
	"holdfast/authz/totp"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/clock"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/snapshots/scrub"
)

// Deps is what a Control is made of. server/app opens all of it.
type Deps struct {
	DB        *sqldb.DB // the control database
	Accounts  authzsql.Store
	Sessions  *session.Manager
	Throttle  *throttle.Throttle
	Decider   *authz.Decider
	Passwords *password.Hasher
	Secrets   *totp.Sealer // TOTP secrets at rest
	Passkeys  map[authz.Face]*passkey.Party
	Tickets   *ticket.Issuer
	// TicketCheck verifies what Tickets mints for Site.
	TicketCheck TicketVerifier
	Clock       clock.Clock
	Log         *slog.Logger

	// Origin, PortalURL and ConsoleURL are what the genesis charter names; RPID
	// is the relying party of all passkeys.
	Origin     string
	RPID       string
	PortalURL  string
	ConsoleURL string
	// Site is the primary site's name.
	Site string

	// LogSigner signs checkpoints with LogKey, which also proves itself in the
	// genesis charter, as SiteKey, the primary site's, does; Attestation signs what the control plane
	// has seen of one-time codes, under the name AttestationKey.
	LogSigner      *audit.Signer
	LogKey         ed25519.PrivateKey
	SiteKey        ed25519.PrivateKey
	LogKeys        *audit.Keys
	Attestation    ed25519.PrivateKey
	AttestationKey string
	// Recipient is the primary site's own age recipient.
	Recipient string
	// Operator is the SHA-256 of the host operator's credential.
	Operator [32]byte

	Data DataPath
	Gate Gate
	// Scrubber reads again what the primary site keeps; nil where that is done elsewhere.
	Scrubber *scrub.Scrubber
}

// Control has the powers. It is safe for concurrent use.
type Control struct {
	Deps
	// waits is what the site said last of each request that it did not carry out.
	// It is for people to see and is lost at a restart, until the site is asked again.
	waits  sync.Map
	pushes pushes
}

// New checks that nothing is missing.
func New(d Deps) (*Control, error) {
	switch {
	case d.DB == nil, d.Sessions == nil, d.Throttle == nil, d.Decider == nil, d.Passwords == nil, d.Secrets == nil,
		d.Passkeys[authz.FacePortal] == nil, d.Passkeys[authz.FaceConsole] == nil, d.Tickets == nil, d.TicketCheck == nil, d.Clock == nil,
		d.Log == nil, d.LogSigner == nil, len(d.LogKey) != ed25519.PrivateKeySize, len(d.SiteKey) != ed25519.PrivateKeySize, d.LogKeys == nil, len(d.Attestation) != ed25519.PrivateKeySize,
		d.AttestationKey == "", d.Origin == "", d.Site == "", d.Operator == [32]byte{}, d.Data == nil, d.Gate == nil:
		return nil, errors.New("control: a dependency is missing")
	}
	return &Control{Deps: d}, nil
}

// now is the moment of a change, to the microsecond that every store keeps.
func (c *Control) now() time.Time { return c.Clock.Now().UTC().Truncate(time.Microsecond) }

// write runs f in one transaction on the control database. f has no side
// effects besides tx, for it may run again.
func (c *Control) write(ctx context.Context, f func(tx *sqldb.Tx) error) error {
	return wrap(c.DB.Write(ctx, f))
}

func (c *Control) read(ctx context.Context, f func(tx *sqldb.Tx) error) error {
	return wrap(c.DB.Read(ctx, f))
}

// entry is what a power writes into the log.
type entry struct {
	kind    audit.Kind
	tenant  string
	subject string
	facts   []audit.Fact
	body    any
	raw     []byte // in place of body, where a warrant fixes the bytes
}

// record appends a leaf in tx (I7): a failure fails the power. It takes the last
// lock of the lock order, so a power calls it last.
func (c *Control) record(ctx context.Context, tx *sqldb.Tx, at time.Time, e entry) (int64, error) {
	body := e.raw
	if body == nil {
		var err error
		if body, err = json.Marshal(e.body); err != nil { // struct fields and sorted map keys: one form
			return 0, fmt.Errorf("log body: %w", err)
		}
	}
	entered, err := quorumsql.AppendLeaf(ctx, tx, audit.Draft{
		Kind: e.kind, At: at, Tenant: e.tenant, Subject: e.subject, Facts: e.facts, Body: body,
	})
	if err != nil {
		return 0, err
	}
	return entered.Index, nil
}

// refused logs that a gated action was tried and refused, in a transaction of
// its own: the power's has been rolled back.
func (c *Control) refused(ctx context.Context, who Caller, tenant, subject, what string, cause error) {
	err := c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := c.record(ctx, tx, c.now(), entry{
			kind: audit.KindRefusal, tenant: tenant, subject: subject,
			body: map[string]string{"tenant": tenant, "subject": subject, "by": who.ID(), "action": what, "type": AsError(cause).Type},
		})
		return err
	})
	if err != nil {
		c.Log.ErrorContext(ctx, "a refusal could not be logged", "action", what, "error", err)
	}
}
