// Package transfer is the streaming data path: files, pax archives and opaque
// streams go in and out over plain HTTP, in memory that does not depend on their
// size. `curl -T file -H "Authorization: Bearer $TOKEN" URL` is an upload.
//
// It answers success only when the bytes are durable, and lets no transfer be
// idle for long. It decides nothing and it destroys nothing: the powers of
// server/control do the one, and no power does the other.
package transfer
