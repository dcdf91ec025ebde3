// Package client speaks Holdfast's JSON API and data path for programs: the
// command line, the demo, agents. A test holds it against /openapi.json.
//
// It keeps credentials out of URLs and error texts, and it never answers a
// step-up by itself: a Prover, which belongs to a person, does.
package client
