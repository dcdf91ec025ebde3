// Package static owns the two files that pages load: one stylesheet and one
// script, both first-party. It must never serve anything that is not compiled
// into the binary, nor a script that changes what a page says.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed holdfast.css passkey.js
var files embed.FS

type file struct {
	path    string // with a part of the content's hash, so that it can be cached for good
	kind    string
	content []byte
}

var (
	style  = load("holdfast.css", "text/css; charset=utf-8")
	script = load("passkey.js", "text/javascript; charset=utf-8")
)

func load(name, kind string) file {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err) // embedded at build time
	}
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	return file{"/static/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext, kind, content}
}

// Style is the stylesheet's path.
func Style() string { return style.path }

// Script is the script's path.
func Script() string { return script.path }

// Mount serves the files on e.
func Mount(e *echo.Echo) {
	for _, f := range []file{style, script} {
		e.GET(f.path, func(c echo.Context) error {
			c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			return c.Blob(http.StatusOK, f.kind, f.content)
		})
	}
}
