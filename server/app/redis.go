package app

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// openRedis returns a client of the Redis at url, or of an embedded one when url
// is empty. A Redis that does not answer is no error here: sessions wait for it,
// while stops, tokens and transfers go on without.
func openRedis(url string) (rdb redis.UniversalClient, closing func() error, err error) {
	if url == "" {
		return embeddedRedis()
	}
	o, err := redis.ParseURL(url)
	if err != nil { // go-redis' error may repeat the URL and its password
		return nil, nil, errors.New("redis_url: not a Redis URL such as redis://host:6379/0")
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = redisTimeout, redisTimeout, redisTimeout, redisTimeout
	o.MaxRetries, o.DialerRetries = 1, 1
	o.ContextTimeoutEnabled = true
	c := redis.NewClient(o)
	return c, c.Close, nil
}

// embeddedRedis runs inside this process and has no listener: it is reached over
// pipes in memory only, by nobody else. It forgets everything at a restart.
func embeddedRedis() (redis.UniversalClient, func() error, error) {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true) // without it nothing would ever expire
	c := redis.NewClient(&redis.Options{
		Addr:            "embedded",
		Dialer:          func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
		MaxRetries:      1,
		DisableIdentity: true,
	})
	ctx, cancel := context.WithTimeout(context.Background(), redisTimeout)
	defer cancel()
	if err := c.Ping(ctx).Err(); err != nil {
		m.Close()
		return nil, nil, errors.Join(fmt.Errorf("embedded redis: %w", err), c.Close())
	}
	return c, func() error {
		err := c.Close()
		m.Close()
		return err
	}, nil
}

// redisAlive says whether Redis answers.
func redisAlive(ctx context.Context, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis does not answer: %w", err)
	}
	return nil
}
