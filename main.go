// Command holdfast is a backup control plane in which nobody can destroy a
// snapshot alone. All it does here is hand over to the command line.
package main

import (
	"os"

	"holdfast/server/cli"
)

func main() { os.Exit(cli.Main()) }
