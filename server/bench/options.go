package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// errUsage marks a call that makes no sense.
var errUsage = errors.New("usage")

// The sections that --only selects.
var sections = []string{"ceiling", "tree", "stream", "noise", "image", "erase", "many", "memory"}

// options are the flags.
type options struct {
	peers    []string
	size     int64
	runs     int
	only     []string
	json     bool
	markdown bool
	plot     string
	out      string
	soak     bool
	cold     bool
	temp     string
	binary   string
	from     []string
}

func (o options) does(section string) bool { return slices.Contains(o.only, section) }

func parseOptions(args []string, errs io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(errs)
	peers := f.String("peers", "restic,borg,kopia", "programs to compare with: restic, restic-local, borg, kopia")
	size := f.String("size", "1GiB", "size of the tree, and of each stream")
	f.IntVar(&o.runs, "runs", 3, "how often the tree and the streams run; medians are shown (noise, image and erase run once)")
	only := f.String("only", strings.Join(sections, ","), "sections to run")
	f.BoolVar(&o.json, "json", false, "print one JSON document")
	f.BoolVar(&o.markdown, "markdown", false, "print tables for docs/performance.md")
	f.StringVar(&o.plot, "plot", "", "write a plot of the throughputs into this new SVG file")
	f.StringVar(&o.out, "out", "", "also write the JSON document into this new file")
	f.BoolVar(&o.soak, "soak", false, "memory: also a generated stream of 32 GiB")
	f.BoolVar(&o.cold, "cold", false, "take memory as the host gives it: do not use it once beforehand")
	f.StringVar(&o.temp, "temp", os.TempDir(), "where to make the temporary directory")
	f.StringVar(&o.binary, "binary", "", "measure this program in place of one built from the tree")
	from := f.String("from", "", "measure nothing: show the JSON document of an earlier run, or of several of the same program on the same machine as one")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%w: %q is no flag", errUsage, f.Arg(0))
	}
	if o.size, err = parseSize(*size); err != nil {
		return o, err
	}
	if o.size < minSize || o.size > maxSize {
		return o, fmt.Errorf("%w: --size is from %s to %s", errUsage, sizeText(minSize), sizeText(maxSize))
	}
	if o.runs < 1 || o.runs > maxRuns {
		return o, fmt.Errorf("%w: --runs is from 1 to %d", errUsage, maxRuns)
	}
	for _, path := range []string{o.plot, o.out} { // said now, not after an hour
		if _, err := os.Lstat(path); path != "" && err == nil {
			return o, fmt.Errorf("%w: %s is there already, and nothing is overwritten", errUsage, path)
		}
	}
	o.peers, o.only, o.from = list(*peers), list(*only), list(*from)
	for _, s := range o.only {
		if !slices.Contains(sections, s) {
			return o, fmt.Errorf("%w: --only knows %s, not %q", errUsage, strings.Join(sections, ", "), s)
		}
	}
	return o, nil
}

// list is the parts of a list with commas.
func list(text string) (out []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

var units = []struct {
	name string
	n    int64
}{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}, {"B", 1}}

// parseSize reads a size such as 64MiB or 1GiB.
func parseSize(text string) (int64, error) {
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || n < 0 || n > maxSize/u.n {
				break
			}
			return n * u.n, nil
		}
	}
	return 0, fmt.Errorf("%w: %q is no size: write 64MiB or 1GiB", errUsage, text)
}

// sizeText is a size as parseSize reads it, where it is a whole number of a unit.
func sizeText(n int64) string {
	for _, u := range units {
		if n >= u.n && n%u.n == 0 {
			return strconv.FormatInt(n/u.n, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
