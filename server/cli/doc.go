// Package cli is Holdfast's command line. Commands speak to a service through
// server/client like any stranger, except serve, demo and the offline
// verifiers; none of them can destroy a copy, for there is no such call.
package cli
