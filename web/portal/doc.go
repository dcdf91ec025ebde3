// Package portal owns the pages that customers use: their volumes and
// snapshots, the requests that concern them, and the stops in their reach. It
// must never offer what staff decide, nor change anything but by a power of
// server/control.
package portal
