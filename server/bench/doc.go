// Command bench measures Holdfast beside the backup programs that people use
// today: the same data, on this machine, in one run.
//
//	go run ./server/bench --peers restic,borg,kopia --size 1GiB --json
//
// Holdfast runs as it is shipped, as two processes over loopback with every fsync
// that it makes; each peer that is installed runs in its client-server form; one
// that is not is named as missing. Raw ceilings of the machine stand beside them.
//
// It reaches the service like any stranger, over HTTP and by the command line,
// writes only below one temporary directory, listens on loopback only, and ends
// every process that it started. It must never be part of the product: nothing
// imports it, and its people are software keys of a charter whose purpose is demo.
package main
