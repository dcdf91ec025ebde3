package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"holdfast/server/wire"
)

// Options say what a demonstration uses. Whatever is empty takes the default
// that its comment names.
type Options struct {
	// Dir is the installation's directory. Default: ./holdfast-demo, for a
	// scenario a temporary directory that is removed at the end.
	Dir string
	// Data is the directory whose files are backed up. Default: the source tree
	// of the Go toolchain, or the working directory where there is none.
	Data string
	// Listen and ListenConsole are the addresses of the two faces; port 0 picks a
	// free one. Default: those of the last run on Dir, else localhost:8080 and
	// localhost:8081, for a scenario localhost:0.
	Listen, ListenConsole string
	// ControlDSN, SiteDSN and RedisURL go to the service as they are.
	ControlDSN, SiteDSN, RedisURL string
	// Scenario is what to play, such as CodeSpaces; empty seeds an installation
	// and leaves it running until the context ends.
	Scenario string
	// JSON writes one object a line in place of a story.
	JSON bool
	// Out gets the story. Default: os.Stdout.
	Out io.Writer

	// Start runs the service until the context ends; ready is called once both
	// faces answer. The demonstration knows nothing else of the service's inside.
	Start func(ctx context.Context, s Setting, ready func(a Addresses)) error
	// Operator reads the credential of the host's operator, who makes tenants and
	// invites staff, from a service's directory.
	Operator func(dir string) (string, error)
}

// Setting is the part of a service's configuration that a demonstration chooses.
type Setting struct {
	Dir, Listen, ListenConsole, ControlDSN, SiteDSN, RedisURL string
	// Guide is what the start page shows; nil: there is no start page.
	Guide func() (wire.Guide, bool)
}

// Addresses are the two faces: Portal and Console are origins such as
// http://localhost:8080, the other two what the listeners got, host:port.
type Addresses struct {
	Portal, Console         string
	PortalAddr, ConsoleAddr string
}

// CodeSpaces is the scenario that plays what happened to Code Spaces in 2014, up
// to where it goes differently.
const CodeSpaces = "code-spaces"

var (
	// ErrScenario means that there is no such scenario.
	ErrScenario = errors.New("demo: no such scenario")
	// ErrFailed means that a scenario did not go as it must.
	ErrFailed = errors.New("demo: the scenario did not go as it must")
)

// Run runs a demonstration. Without a scenario it returns nil when ctx ends;
// with one it returns nil only if everything went as it must, else ErrFailed.
func Run(ctx context.Context, o Options) (err error) {
	if o.Out == nil {
		o.Out = os.Stdout
	}
	switch o.Scenario {
	case "":
		return runSeeded(ctx, o)
	case CodeSpaces:
		return runCodeSpaces(ctx, o)
	}
	return fmt.Errorf("%w: %q (there is %s)", ErrScenario, o.Scenario, CodeSpaces)
}
