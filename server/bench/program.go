package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// kind is what a repository is for.
type kind string

const (
	kindTree   kind = "tree"
	kindStream kind = "stream"
	kindImage  kind = "image"
)

// program is Holdfast or one of the others.
type program interface {
	name() string
	// open makes an empty repository below dir and starts the server of it.
	open(ctx context.Context, dir string, k kind) (repository, error)
}

// repository is an open one with its server. What returns a usage is a step that
// is measured; it ends when everything is durable as far as the program goes.
type repository interface {
	// put stores a state of a tree (a directory) or stream (a file), with a snapshot.
	put(ctx context.Context, path string) (usage, error)
	// get restores the newest snapshot: a tree into the new directory to, a stream
	// to standard output.
	get(ctx context.Context, to string, out *os.File) (usage, error)
	// settle waits for what goes on behind a put, unmeasured.
	settle(ctx context.Context) error
	// stored is the size of the repository with its index, in bytes.
	stored() (int64, error)
	// erase takes the n oldest snapshots away and returns their space.
	erase(ctx context.Context, n int) (usage, error)
	// idle is a call that opens the repository and does next to nothing.
	idle(ctx context.Context) (usage, error)
	close()
}

// peer is what the report says of a program.
type peer struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Form    string `json:"form,omitempty"`
	// Missing says why it is not measured.
	Missing string `json:"missing,omitempty"`
	// Local means that it has no server here: it stands beside the others and is no
	// bar's measure.
	Local bool `json:"local,omitempty"`
}

// installed finds the programs that --peers names.
func installed(ctx context.Context, names []string) (programs []program, peers []peer, err error) {
	for _, name := range names {
		var p program
		var about peer
		switch name {
		case "restic":
			p, about = findRestic(ctx, false)
		case "restic-local":
			p, about = findRestic(ctx, true)
		case "borg":
			p, about = findBorg(ctx)
		case "kopia":
			p, about = findKopia(ctx)
		default:
			return nil, nil, fmt.Errorf("%w: --peers knows restic, restic-local, borg and kopia, not %q", errUsage, name)
		}
		about.Name = name
		peers = append(peers, about)
		if about.Missing == "" {
			programs = append(programs, p)
		}
	}
	return programs, peers, nil
}

// version is the first line that a program says of itself, or why it is missing.
func version(ctx context.Context, name string, args ...string) (text, missing string) {
	if _, err := exec.LookPath(name); err != nil {
		return "", name + " is not on PATH"
	}
	out, err := output(ctx, command{args: append([]string{name}, args...), env: environ(os.TempDir())})
	if err != nil {
		return "", err.Error()
	}
	line, _, _ := strings.Cut(out, "\n")
	return strings.TrimSpace(line), ""
}

// open is a file for a child's standard input.
func openInput(path string) (*os.File, error) { return os.Open(path) }
