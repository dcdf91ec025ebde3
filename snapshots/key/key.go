package key

import (
	"filippo.io/age"
	"holdfast/snapshots/chunk"
)

type Number uint32
type Commitment [32]byte

// Client is what a client that chunks for itself gets: chunking and id keys, never encryption keys.
type Client struct{}

// Tenant is one numbered key set of one tenant, immutable.
type Tenant struct{}

func Generate(tenant string) (*Tenant, error)                 { return nil, nil }
func (t *Tenant) Rotate() (*Tenant, error)                    { return nil, nil }
func (t *Tenant) Tenant() string                              { return "" }
func (t *Tenant) Number() Number                              { return 0 }
func (t *Tenant) Identifier() *chunk.Identifier               { return nil }
func (t *Tenant) Table(p chunk.Profile) (*chunk.Table, error) { return nil, nil }
func (t *Tenant) Commitment() Commitment                      { return Commitment{} }
func (t *Tenant) Client() Client                              { return Client{} }
func (t *Tenant) Key(n Number) (*Tenant, error)               { return nil, nil }
func CheckCommitment(t *Tenant, c Commitment) error           { return nil }

// Ring is all key sets of a tenant; the highest number seals.
type Ring struct{}

func NewRing(keys ...*Tenant) (*Ring, error)  { return nil, nil }
func (r *Ring) Current() *Tenant              { return nil }
func (r *Ring) Key(n Number) (*Tenant, error) { return nil, nil }
func (r *Ring) Tenant() string                { return "" }
func (r *Ring) With(t *Tenant) (*Ring, error) { return nil, nil }

// Wraps is one key set encrypted to several recipients.
type Wraps struct{}

func Wrap(t *Tenant, recipients ...string) (*Wraps, error) { return nil, nil }
func ParseWraps(b []byte) (*Wraps, error)                  { return nil, nil }
func (w *Wraps) Render() []byte                            { return nil }
func (w *Wraps) Tenant() string                            { return "" }
func (w *Wraps) Number() Number                            { return 0 }
func (w *Wraps) Commitment() Commitment                    { return Commitment{} }
func (w *Wraps) Recipients() []string                      { return nil }
func (w *Wraps) Covers(recipients ...string) error         { return nil }
func (w *Wraps) Open(ids ...age.Identity) (*Tenant, error) { return nil, nil }
