// Package wire holds the words of the JSON API: the request, response and
// problem structs that server/api writes and server/client reads. It imports
// nothing of Holdfast and must never hold behaviour: what a field may contain
// is decided in server/control.
//
// Times are RFC 3339 in UTC. Sizes are bytes. Identifiers are opaque text with
// a prefix that names their kind (ten_, per_, vol_, snp_, req_, tok_, fac_).
// Digests are "sha256:" and 64 hexadecimal digits.
package wire
