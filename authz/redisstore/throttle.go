package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/go-redis/redis_rate/v10"

	"holdfast/authz/throttle"
)

func throttleFailure(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", throttle.ErrUnavailable, err)
}

// Draw implements throttle.Store, by the server's own clock.
func (s *Store) Draw(ctx context.Context, key string, rate, burst int, period time.Duration) (time.Duration, error) {
	res, err := s.rates.Allow(ctx, prefixRate+key, redis_rate.Limit{Rate: rate, Burst: burst, Period: period})
	if err != nil {
		return 0, throttleFailure(err)
	}
	if res.Allowed > 0 {
		return 0, nil
	}
	return max(res.RetryAfter, time.Millisecond), nil
}

// Strike implements throttle.Store.
func (s *Store) Strike(ctx context.Context, key string, free int, base, most, forget time.Duration) (time.Duration, error) {
	keys := []string{prefixStrike + key, prefixStrike + key + ":lock"}
	ms, err := strikeScript.Run(ctx, s.rdb, keys, free, millis(base), millis(most), millis(forget)).Int64()
	if err != nil {
		return 0, throttleFailure(err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// Clear implements throttle.Store.
func (s *Store) Clear(ctx context.Context, key string) error {
	return throttleFailure(s.rdb.Del(ctx, prefixStrike+key, prefixStrike+key+":lock").Err())
}
