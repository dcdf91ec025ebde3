package config

import (
	"fmt"
	"strings"

	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// EnvPrefix begins the name of every environment variable that is a setting:
// HOLDFAST_LISTEN sets listen.
const EnvPrefix = "HOLDFAST_"

// notSettings are variables with the prefix that belong to the command line or
// to the tests and configure no service.
var notSettings = map[string]bool{
	"HOLDFAST_TOKEN":         true,
	"HOLDFAST_SERVER":        true,
	"HOLDFAST_PASSWORD":      true,
	"HOLDFAST_CODE":          true,
	"HOLDFAST_PROFILE":       true,
	"HOLDFAST_TEST_POSTGRES": true,
	"HOLDFAST_TEST_REDIS":    true,
}

// Load reads the file at path (TOML; none when path is empty), then the
// environment, then overrides, each over the one before. A name that Config
// does not have is an error. Defaults are not applied yet.
func Load(path string, environ func() []string, overrides map[string]any) (Config, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), toml.Parser()); err != nil {
			return Config{}, fmt.Errorf("%w: read %s: %w", ErrConfig, path, err)
		}
	}
	provider := env.Provider(".", env.Opt{
		Prefix:      EnvPrefix,
		EnvironFunc: environ,
		TransformFunc: func(key, value string) (string, any) {
			if notSettings[key] {
				return "", nil
			}
			name := strings.ToLower(strings.TrimPrefix(key, EnvPrefix))
			if name == "trusted_proxies" {
				return name, strings.Split(value, ",")
			}
			return name, value
		},
	})
	if err := k.Load(provider, nil); err != nil {
		return Config{}, fmt.Errorf("%w: environment: %w", ErrConfig, err)
	}
	if err := k.Load(confmap.Provider(overrides, "."), nil); err != nil {
		return Config{}, fmt.Errorf("%w: flags: %w", ErrConfig, err)
	}
	for _, name := range k.Keys() {
		if !known[name] {
			return Config{}, fmt.Errorf("%w: there is no setting %q (what may be destroyed is decided by the charter, never here)", ErrConfig, name)
		}
	}
	var c Config
	if err := k.Unmarshal("", &c); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

var known = map[string]bool{
	"dir": true, "listen": true, "listen_console": true, "portal_url": true, "console_url": true,
	"rp_id": true, "log_origin": true, "site": true, "control_dsn": true, "site_dsn": true,
	"redis_url": true, "blob_dir": true, "trusted_proxies": true, "log_level": true, "scrub_rate": true,
}
