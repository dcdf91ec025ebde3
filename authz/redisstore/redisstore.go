// Package redisstore keeps sessions, ceremonies and throttles in Redis, 7.0 or
// newer, or in the embedded one.
//
// What it keeps is disposable: losing it logs people out and nothing else. It
// must never hold a vote, a warrant, a used TOTP step or a log entry, and never
// a session's secret. Every key carries one hash tag, so that scripts work on a
// cluster. Whatever goes wrong with Redis is an error that denies.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"holdfast/authz/session"
	"holdfast/authz/throttle"
)

const (
	prefixSession  = "{holdfast}:session:"
	prefixPerson   = "{holdfast}:person:"
	prefixCeremony = "{holdfast}:ceremony:"
	prefixStrike   = "{holdfast}:strike:"
	prefixRate     = "{holdfast}:"
)

// Store implements session.Store and throttle.Store. It is safe for concurrent use.
type Store struct {
	rdb   redis.UniversalClient
	rates *redis_rate.Limiter
}

var (
	_ session.Store  = (*Store)(nil)
	_ throttle.Store = (*Store)(nil)
)

// New returns a store over a client that stays the caller's to close.
func New(rdb redis.UniversalClient) *Store {
	return &Store{rdb: rdb, rates: redis_rate.NewLimiter(rdb)}
}

// The index of a person lives at least as long as the longest of its records.
const lengthen = `
local function lengthen(k, ttl)
  if redis.call('PTTL', k) < ttl then redis.call('PEXPIRE', k, ttl) end
end
`

var (
	// KEYS record, index; ARGV key, record, ttl
	createScript = redis.NewScript(lengthen + `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
lengthen(KEYS[2], tonumber(ARGV[3]))
return 1`)

	// KEYS record, index; ARGV old, record, ttl. -1 gone, 0 changed, 1 done
	swapScript = redis.NewScript(lengthen + `
local have = redis.call('GET', KEYS[1])
if not have then return -1 end
if have ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
lengthen(KEYS[2], tonumber(ARGV[3]))
return 1`)

	// KEYS record, new record, index; ARGV old, record, ttl, key, new key
	moveScript = redis.NewScript(lengthen + `
local have = redis.call('GET', KEYS[1])
if not have then return -1 end
if have ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[3], ARGV[4])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[3], ARGV[5])
lengthen(KEYS[3], tonumber(ARGV[3]))
return 1`)

	// KEYS index; ARGV prefix. Returns key, record, key, record… and forgets
	// the keys whose records have expired.
	personScript = redis.NewScript(`
local out = {}
for _, k in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local v = redis.call('GET', ARGV[1] .. k)
  if v then
    out[#out + 1] = k
    out[#out + 1] = v
  else
    redis.call('SREM', KEYS[1], k)
  end
end
return out`)

	// KEYS count, lock; ARGV free, base, most, forget (ms)
	strikeScript = redis.NewScript(`
local wait = redis.call('PTTL', KEYS[2])
if wait > 0 then return wait end
local n = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local over = n - tonumber(ARGV[1])
if over >= 0 then
  local lock = math.min(tonumber(ARGV[2]) * 2 ^ math.min(over, 30), tonumber(ARGV[3]))
  redis.call('SET', KEYS[2], '1', 'PX', string.format('%d', lock))
end
return 0`)
)

func sessionFailure(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
}

// outcome maps a script's answer.
func outcome(n int64, err error) error {
	switch {
	case err != nil:
		return sessionFailure(err)
	case n == 1:
		return nil
	case n == -1:
		return session.ErrNone
	}
	return session.ErrConflict
}

// millis is a time to live as Redis wants it; below a millisecond it is one.
func millis(d time.Duration) int64 { return max(d.Milliseconds(), 1) }

// Create implements session.Store.
func (s *Store) Create(ctx context.Context, k session.Key, person string, record []byte, ttl time.Duration) error {
	n, err := createScript.Run(ctx, s.rdb, []string{prefixSession + string(k), prefixPerson + person}, string(k), record, millis(ttl)).Int64()
	return outcome(n, err)
}

// Load implements session.Store.
func (s *Store) Load(ctx context.Context, k session.Key) ([]byte, error) {
	return load(s.rdb.Get(ctx, prefixSession+string(k)))
}

func load(cmd *redis.StringCmd) ([]byte, error) {
	b, err := cmd.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, session.ErrNone
	}
	if err != nil {
		return nil, sessionFailure(err)
	}
	return b, nil
}

// Swap implements session.Store.
func (s *Store) Swap(ctx context.Context, k session.Key, person string, old, record []byte, ttl time.Duration) error {
	n, err := swapScript.Run(ctx, s.rdb, []string{prefixSession + string(k), prefixPerson + person}, old, record, millis(ttl)).Int64()
	return outcome(n, err)
}

// Move implements session.Store.
func (s *Store) Move(ctx context.Context, k, to session.Key, person string, old, record []byte, ttl time.Duration) error {
	keys := []string{prefixSession + string(k), prefixSession + string(to), prefixPerson + person}
	n, err := moveScript.Run(ctx, s.rdb, keys, old, record, millis(ttl), string(k), string(to)).Int64()
	return outcome(n, err)
}

// Drop implements session.Store.
func (s *Store) Drop(ctx context.Context, person string, keys ...session.Key) error {
	if len(keys) == 0 {
		return nil
	}
	names := make([]string, len(keys))
	members := make([]any, len(keys))
	for i, k := range keys {
		names[i], members[i] = prefixSession+string(k), string(k)
	}
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, names...)
		p.SRem(ctx, prefixPerson+person, members...)
		return nil
	})
	return sessionFailure(err)
}

// Person implements session.Store.
func (s *Store) Person(ctx context.Context, person string) (map[session.Key][]byte, error) {
	flat, err := personScript.Run(ctx, s.rdb, []string{prefixPerson + person}, prefixSession).StringSlice()
	if err != nil {
		return nil, sessionFailure(err)
	}
	if len(flat)%2 != 0 {
		return nil, session.ErrUnavailable
	}
	records := make(map[session.Key][]byte, len(flat)/2)
	for i := 0; i < len(flat); i += 2 {
		records[session.Key(flat[i])] = []byte(flat[i+1])
	}
	return records, nil
}

// Keep implements session.Store.
func (s *Store) Keep(ctx context.Context, name string, state []byte, ttl time.Duration) error {
	err := s.rdb.SetArgs(ctx, prefixCeremony+name, state, redis.SetArgs{Mode: "NX", TTL: time.Duration(millis(ttl)) * time.Millisecond}).Err()
	if errors.Is(err, redis.Nil) {
		return session.ErrConflict
	}
	return sessionFailure(err)
}

// Take implements session.Store.
func (s *Store) Take(ctx context.Context, name string) ([]byte, error) {
	return load(s.rdb.GetDel(ctx, prefixCeremony+name))
}
