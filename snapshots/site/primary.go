package site

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/clock"
	"holdfast/snapshots/sweep"
)

// Config is what a Primary is made of. All fields but Logger are required.
type Config struct {
	// DB is the site database, migrated with snapshots/sqlstore.Migrations.
	DB *sqldb.DB
	// Name is the site's name in the charter.
	Name string
	// Pins is the directory of the high-water marks, outside the database.
	Pins string
	// Key signs what the site says in the log; the charter's line of the site names its public half.
	Key ed25519.PrivateKey
	// Log is the log, read and spoken in.
	Log LogFeed
	// Sweep is the only destroyer.
	Sweep *sweep.Sweeper
	Clock clock.Clock
	// Logger is for alarms; nil discards.
	Logger *slog.Logger
}

// Primary is a site in this process. It is safe for concurrent use.
type Primary struct {
	c Config
	// turn serialises what a site does: the database's row lock alone would let two calls ask the log at once.
	turn sync.Mutex
	// stall, when not nil, is called at the named steps; its error stops there, as a crash would.
	stall func(step string) error
	pins  *pinFile
	sent  map[string]time.Time
}

var _ Site = (*Primary)(nil)

// NewPrimary opens the gate of a site.
func NewPrimary(ctx context.Context, c Config) (*Primary, error) {
	if c.DB == nil || c.Name == "" || c.Pins == "" || len(c.Key) != ed25519.PrivateKeySize || c.Log == nil || c.Sweep == nil || c.Clock == nil {
		return nil, errors.New("site: incomplete configuration")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Primary{c: c, sent: map[string]time.Time{}}
	return p, p.open(ctx)
}

// Name implements Site.
func (p *Primary) Name() string { return p.c.Name }
