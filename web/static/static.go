// Package static owns the few files that pages load: one stylesheet, the scripts
// and the icon, all first-party. It must never serve anything that is not compiled
// into the binary.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

// MaxScripts and MaxStyles bound what all scripts and all styles weigh together
// (bytes); a test holds them.
const (
	MaxScripts = 30 << 10
	MaxStyles  = 30 << 10
)

//go:embed *.css *.js *.svg
var files embed.FS

type file struct {
	path    string // with a part of the content's hash, so that it can be cached for good
	kind    string
	content []byte
}

var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

var all = load()

func load() map[string]file {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // embedded at build time
	}
	out := map[string]file{}
	for _, e := range entries {
		content, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err) // embedded at build time
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(e.Name())
		out[e.Name()] = file{"/static/" + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:8]) + ext, kinds[ext], content}
	}
	return out
}

// Path is where the file of a name is served, such as "holdfast.css". It panics
// for a name that does not exist: the names stand in the program.
func Path(name string) string {
	f, ok := all[name]
	if !ok {
		panic(fmt.Sprintf("static: there is no %q", name))
	}
	return f.path
}

// Weight is how many bytes all files with an extension, such as ".js", have together.
func Weight(ext string) (n int) {
	for name, f := range all {
		if path.Ext(name) == ext {
			n += len(f.content)
		}
	}
	return n
}

// Mount serves the files on e.
func Mount(e *echo.Echo) {
	for _, f := range all {
		e.GET(f.path, func(c echo.Context) error {
			h := c.Response().Header()
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
			return c.Blob(http.StatusOK, f.kind, f.content)
		})
	}
}
