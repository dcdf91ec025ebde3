// Package e2e tells stories as scripts against the built binary: each file of
// testdata is one. It holds tests only; nothing imports it.
package e2e
