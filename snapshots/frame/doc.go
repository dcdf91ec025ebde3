// Package frame seals contents into frames and opens them again: compression if it pays, padding, and AES-256-GCM under
// a key of the frame's own. A frame can be moved between packs and sites as it is.
//
// It must never answer a plaintext that was not authenticated for this tenant, id and kind, inflate more than its caller
// allows, or use one key and nonce for two plaintexts. The format is docs/spec/pack.md.
package frame
