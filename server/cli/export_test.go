package cli

import "github.com/spf13/cobra"

// Root is the command tree that Main runs.
func Root(stdio IO) *cobra.Command { return (&shell{IO: stdio}).root() }
