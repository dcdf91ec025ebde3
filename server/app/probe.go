package app

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"

	"holdfast/internal/sqldb"
)

// metrics are what Prometheus may read. No label is ever a name, an id or an
// address.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	jobs     *prometheus.HistogramVec
	// transfers counts the requests of the data path that are under way.
	transfers atomic.Int64
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_http_request_seconds", Help: "Duration of requests by face, method, route and status (0: torn).",
			Buckets: []float64{.005, .025, .1, .5, 2.5, 10, 60, 600},
		}, []string{"face", "method", "route", "status"}),
		jobs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_job_seconds", Help: "Duration of the service's own jobs by name and outcome.",
			Buckets: []float64{.005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"job", "outcome"}),
	}
	m.registry.MustRegister(m.requests, m.jobs, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(face, method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(face, method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) job(name string, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.jobs.WithLabelValues(name, outcome).Observe(took.Seconds())
}

// probes answers whether the process lives and whether it can work.
type probes struct {
	control, site *sqldb.DB
	redis         redis.UniversalClient
	draining      atomic.Bool
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

func (p *probes) mount(e *echo.Echo) {
	e.GET("/healthz", func(c echo.Context) error { return c.JSON(http.StatusOK, map[string]bool{"alive": true}) })
	e.GET("/readyz", func(c echo.Context) error {
		r := p.check(c.Request().Context())
		if !r.Ready {
			return c.JSON(http.StatusServiceUnavailable, r)
		}
		return c.JSON(http.StatusOK, r)
	})
}

// check asks everything that the service stands on. Without Redis nobody signs
// in and nothing is executed, but stops, backup and restore by token go on: the
// node stays in service and says so.
func (p *probes) check(ctx context.Context) readiness {
	r := readiness{Ready: !p.draining.Load(), Checks: map[string]string{}}
	if p.draining.Load() {
		r.Checks["service"] = "draining"
	}
	for name, db := range map[string]*sqldb.DB{"control database": p.control, "site database": p.site} {
		r.Checks[name] = "ok"
		if err := databaseAlive(ctx, db); err != nil {
			r.Ready, r.Checks[name] = false, "does not answer"
		}
	}
	r.Checks["redis"] = "ok"
	if err := redisAlive(ctx, p.redis); err != nil {
		r.Checks["redis"] = "does not answer: nobody signs in, nothing is executed"
	}
	return r
}

func databaseAlive(ctx context.Context, db *sqldb.DB) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return db.Read(ctx, func(tx *sqldb.Tx) error {
		var one int
		return tx.QueryRow(ctx, `SELECT 1`).Scan(&one)
	})
}

// mount serves /metrics to this machine only, and not to what a proxy on
// this machine passes on.
func (m *metrics) mount(e *echo.Echo) {
	serve := echo.WrapHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	e.GET("/metrics", func(c echo.Context) error {
		if !fromHere(c.Request()) {
			return echo.ErrNotFound
		}
		return serve(c)
	})
}

func fromHere(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback() && localName(r.Host)
}

func localName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
