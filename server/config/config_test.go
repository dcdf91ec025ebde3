package config_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"holdfast/server/config"
)

func none() []string { return nil }

func bound(c config.Config) config.Config {
	return c.WithDefaults().Bound(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081})
}

func TestDefaultsAreValid(t *testing.T) {
	c := bound(config.Config{})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.PortalURL != "http://localhost:8080" || c.ConsoleURL != "http://localhost:8081" || c.RPID != "localhost" {
		t.Fatalf("unexpected origins: %+v", c)
	}
}

func TestEveryFieldCanBeLoaded(t *testing.T) {
	typ := reflect.TypeFor[config.Config]()
	for i := range typ.NumField() {
		name := typ.Field(i).Tag.Get("koanf")
		c, err := config.Load("", func() []string { return []string{config.EnvPrefix + strings.ToUpper(name) + "=x"} }, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if reflect.ValueOf(c).Field(i).IsZero() {
			t.Errorf("%s was not set by its variable", name)
		}
	}
}

func TestT24_NoSettingWeakensTheGate(t *testing.T) {
	for _, name := range []string{"approvals", "threshold", "teams", "cooling", "grace", "undo", "quarantine", "quorum", "retention", "clocks", "witnesses", "caps", "totp", "demo", "purpose", "skip_gate"} {
		_, err := config.Load("", func() []string { return []string{config.EnvPrefix + strings.ToUpper(name) + "=0"} }, nil)
		if !errors.Is(err, config.ErrConfig) {
			t.Errorf("environment: %s was accepted: %v", name, err)
		}
		path := filepath.Join(t.TempDir(), "holdfast.toml")
		if err := os.WriteFile(path, []byte(name+" = 0\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path, none, nil); !errors.Is(err, config.ErrConfig) {
			t.Errorf("file: %s was accepted: %v", name, err)
		}
		if _, err := config.Load("", none, map[string]any{name: 0}); !errors.Is(err, config.ErrConfig) {
			t.Errorf("flag: %s was accepted: %v", name, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]config.Config{
		"same origin":        {PortalURL: "https://b.example", ConsoleURL: "https://b.example"},
		"same host":          {PortalURL: "https://b.example", ConsoleURL: "https://b.example:444"},
		"plain http":         {PortalURL: "http://portal.b.example", ConsoleURL: "https://console.b.example", RPID: "b.example"},
		"foreign rp id":      {PortalURL: "https://portal.b.example", ConsoleURL: "https://console.b.example", RPID: "c.example"},
		"a path":             {PortalURL: "https://portal.b.example/x"},
		"one database":       {ControlDSN: "sqlite:a", SiteDSN: "sqlite:a"},
		"unknown engine":     {ControlDSN: "mysql://user:secret@h/db"},
		"proxy not network":  {TrustedProxies: []string{"everyone"}},
		"no port":            {Listen: "localhost"},
		"unknown log level":  {LogLevel: "loud"},
		"redis without kind": {RedisURL: "localhost:6379"},
	} {
		err := bound(c).Validate()
		if !errors.Is(err, config.ErrConfig) {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
}
