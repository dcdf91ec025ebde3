// Package config is the typed configuration of a Holdfast service: where it
// listens, where it keeps its state, which origins its people use.
//
// It holds nothing that decides what may be destroyed. Thresholds, delays,
// retention, caps and keys of the gate stand in the charter alone, so that no
// file, variable or flag of a host can weaken them (threat T24); an unknown
// setting is refused, so that nobody believes to have set one.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// Config is everything that an operator may set. The zero value of a field
// takes the default that its comment names.
type Config struct {
	// Dir is the data directory. Default: ./holdfast-data.
	Dir string `koanf:"dir"`
	// Listen is the portal's and the API's address. Default: localhost:8080.
	Listen string `koanf:"listen"`
	// ListenConsole is the staff console's address. Default: localhost:8081.
	ListenConsole string `koanf:"listen_console"`
	// PortalURL and ConsoleURL are the origins under which people reach the two
	// faces. Default: http://localhost and the port that was bound, which suits
	// one machine only.
	PortalURL  string `koanf:"portal_url"`
	ConsoleURL string `koanf:"console_url"`
	// RPID is the WebAuthn relying party id: the registrable domain that both
	// origins end in. Default: the portal's host name.
	RPID string `koanf:"rp_id"`
	// LogOrigin is the transparency log's name in its checkpoints. Default: the
	// portal's host name and "/log".
	LogOrigin string `koanf:"log_origin"`
	// Site is the name of the primary site. Default: primary.
	Site string `koanf:"site"`
	// ControlDSN and SiteDSN name the two databases, "sqlite:PATH" or
	// "postgres://…". Default: control.db and site.db in Dir.
	ControlDSN string `koanf:"control_dsn"`
	SiteDSN    string `koanf:"site_dsn"`
	// RedisURL is "redis://…" or "rediss://…". Default: an embedded Redis that
	// forgets everything at a restart, which costs people a new sign-in.
	RedisURL string `koanf:"redis_url"`
	// BlobDir is where packs are kept. Default: blobs in Dir.
	BlobDir string `koanf:"blob_dir"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	// Default: none.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// ScrubRate is how fast packs are read again to find rot, such as 50MiB/s; while
	// people transfer data it is an eighth. Default: 50MiB/s.
	ScrubRate string `koanf:"scrub_rate"`
	// LogLevel is debug, info, warn or error. Default: info.
	LogLevel string `koanf:"log_level"`
}

// ErrConfig is what every refusal of this package wraps.
var ErrConfig = errors.New("config")

// WithDefaults returns c with every empty field set to its default.
func (c Config) WithDefaults() Config {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&c.Dir, "holdfast-data")
	set(&c.Listen, "localhost:8080")
	set(&c.ListenConsole, "localhost:8081")
	set(&c.Site, "primary")
	set(&c.ControlDSN, "sqlite:"+filepath.Join(c.Dir, "control.db"))
	set(&c.SiteDSN, "sqlite:"+filepath.Join(c.Dir, "site.db"))
	set(&c.BlobDir, filepath.Join(c.Dir, "blobs"))
	set(&c.ScrubRate, "50MiB/s")
	set(&c.LogLevel, "info")
	return c
}

// Bound returns c with the origins that were left empty set from the addresses
// that the listeners got, which are known only now when a port was 0.
func (c Config) Bound(portal, console net.Addr) Config {
	if c.PortalURL == "" {
		c.PortalURL = localOrigin(portal)
	}
	if c.ConsoleURL == "" {
		c.ConsoleURL = localOrigin(console)
	}
	if c.RPID == "" {
		c.RPID = hostOf(c.PortalURL)
	}
	if c.LogOrigin == "" {
		c.LogOrigin = hostOf(c.PortalURL) + "/log"
	}
	return c
}

// Validate refuses what cannot work and what would be unsafe, and says what to
// write instead. It is called on the configuration that Bound returned.
func (c Config) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
	}
	for name, address := range map[string]string{"listen": c.Listen, "listen_console": c.ListenConsole} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			refuse("%s is %q: write host:port, for example localhost:8080", name, address)
		}
	}
	portal, err := origin(c.PortalURL)
	if err != nil {
		refuse("portal_url: %v", err)
	}
	console, err := origin(c.ConsoleURL)
	if err != nil {
		refuse("console_url: %v", err)
	}
	if portal != nil && console != nil {
		if portal.Host == console.Host {
			refuse("portal_url and console_url are both %s: the two faces need origins of their own", portal.Host)
		}
		local := isLocal(portal.Hostname()) && isLocal(console.Hostname())
		if !local && portal.Hostname() == console.Hostname() {
			refuse("portal_url and console_url share the host name %s: cookies do not tell ports apart, give the console its own name", portal.Hostname())
		}
		for _, u := range []*url.URL{portal, console} {
			if u.Scheme != "https" && !isLocal(u.Hostname()) {
				refuse("%s is not https: only localhost may do without", u)
			}
			if c.RPID != "" && u.Hostname() != c.RPID && !strings.HasSuffix(u.Hostname(), "."+c.RPID) {
				refuse("rp_id %s is not a suffix of %s: passkeys would not work there", c.RPID, u.Hostname())
			}
		}
	}
	for name, dsn := range map[string]string{"control_dsn": c.ControlDSN, "site_dsn": c.SiteDSN} {
		if !strings.HasPrefix(dsn, "sqlite:") && !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
			refuse("%s: write sqlite:PATH or postgres://…", name) // the value may hold a password
		}
	}
	if c.ControlDSN == c.SiteDSN {
		refuse("control_dsn and site_dsn name the same database: they are two, so that who writes one cannot write the other")
	}
	if c.RedisURL != "" && !strings.HasPrefix(c.RedisURL, "redis://") && !strings.HasPrefix(c.RedisURL, "rediss://") && !strings.HasPrefix(c.RedisURL, "unix://") {
		refuse("redis_url: write redis://, rediss:// or unix://, or leave it empty for the embedded one")
	}
	for _, network := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(network); err != nil {
			refuse("trusted_proxies: %q is not a network such as 10.0.0.0/8", network)
		}
	}
	if _, err := ParseRate(c.ScrubRate); err != nil {
		refuse("scrub_rate is %q: write for example 50MiB/s", c.ScrubRate)
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		refuse("log_level is %q: write debug, info, warn or error", c.LogLevel)
	}
	return errors.Join(errs...)
}

func origin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not an origin such as https://portal.example.org", text)
	}
	return u, nil
}

func localOrigin(addr net.Addr) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return ""
	}
	return "http://localhost:" + port
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func isLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
