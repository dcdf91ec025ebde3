package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// extras are the sections that are about Holdfast alone.
type extras struct {
	Memory []memory `json:"memory,omitempty"`
	Many   *many    `json:"many,omitempty"`
}

// raw is what was measured, from which rows and bars are made.
type raw struct {
	point
	Samples []sample `json:"samples"`
}

// measuring is one run of the bench.
type measuring struct {
	Name        string   `json:"name,omitempty"`
	At          string   `json:"at,omitempty"`
	Sections    []string `json:"sections"`
	Runs        int      `json:"runs"`
	LoadAtStart string   `json:"load_at_start" doc:"load averages of 1, 5 and 15 minutes: what else ran"`
	LoadAtEnd   string   `json:"load_at_end"`
	Backed      int64    `json:"backed_bytes" doc:"memory that was used once before anything was measured; 0 with --cold"`
	FirstUse    float64  `json:"first_use_seconds" doc:"what a GiB of it took then: much where a host gives memory only when it is used"`
}

// subject is the program that was measured.
type subject struct {
	// Revision names the state of the sources, where there is a repository; Digest is the SHA-256 of the program.
	Revision string `json:"revision,omitempty"`
	Digest   string `json:"sha256"`
}

// report is all that a run has to say.
type report struct {
	Machine    machine            `json:"machine"`
	Subject    subject            `json:"holdfast"`
	Parts      []measuring        `json:"parts"`
	Size       int64              `json:"size_bytes"`
	Files      int                `json:"tree_files,omitempty"`
	TreeBytes  int64              `json:"tree_bytes,omitempty"`
	Peers      []peer             `json:"peers"`
	StartUp    map[string]float64 `json:"startup_seconds"`
	Rows       []row              `json:"rows"`
	Ceilings   []ceiling          `json:"ceilings"`
	Primitives struct {
		Text  []primitive `json:"stream,omitempty"`
		Noise []primitive `json:"noise,omitempty"`
	} `json:"primitives"`
	extras
	Bars []bar `json:"bars"`
	// Failed is what could not be measured, and why.
	Failed []string `json:"failed,omitempty"`
	Raw    []raw    `json:"raw,omitempty"`
	// Starts are the calls that show each program's start-up.
	Starts map[string][]sample `json:"raw_startup,omitempty"`
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// table is a heading and lines of cells.
type table struct {
	title string
	head  []string
	lines [][]string
}

func (r *report) tables() []table {
	var out []table
	var peers [][]string
	for _, p := range r.Peers {
		about := p.Version + "; " + p.Form
		if p.Missing != "" {
			about = "MISSING: " + p.Missing
		}
		start := "–"
		if s, ok := r.StartUp[p.Name]; ok {
			start = fmt.Sprintf("%.2f", s)
		}
		peers = append(peers, []string{p.Name, about, start})
	}
	out = append(out, table{"Programs", []string{"program", "version and form", "start-up s"}, peers})
	var steps [][]string
	for _, x := range r.Rows {
		stored := fmt.Sprintf("%.1f", float64(x.Stored)/float64(mib))
		if x.Step != stepRestore {
			stored += fmt.Sprintf(" (%+.1f)", float64(x.Grown)/float64(mib))
		}
		vsCeiling := optional(100*x.VsCeiling, "%.0f %%")
		if x.CeilingName != "" {
			vsCeiling += " of " + x.CeilingName
		}
		steps = append(steps, []string{x.Data, x.Step, x.Program, fmt.Sprintf("%.2f (%.2f–%.2f)", x.Seconds, x.Least, x.Most), fmt.Sprintf("%.0f", x.MiBs),
			fmt.Sprintf("%.0f", x.Net), fmt.Sprintf("%.2f (%.2f)", x.CPU, x.Others), fmt.Sprintf("%.0f + %.0f", x.ClientPeak, x.ServerPeak), stored, optional(x.VsBest, "%.2f ×"), vsCeiling})
	}
	out = append(out, table{"Steps", []string{"data", "step", "program", "seconds", "MiB/s", "without start-up", "CPU s (others')", "peak MiB client + server", "stored MiB (grown)", "against best peer", "share of ceiling"}, steps})
	var limits [][]string
	for _, c := range r.Ceilings {
		limits = append(limits, []string{c.Name, fmt.Sprintf("%.0f", c.MiBs), c.What})
	}
	out = append(out, table{"Ceilings", []string{"ceiling", "MiB/s", "what it is"}, limits})
	var prims [][]string
	for i, p := range r.Primitives.Text {
		noise := "–"
		if i < len(r.Primitives.Noise) {
			noise = fmt.Sprintf("%.0f", r.Primitives.Noise[i].MiBs)
		}
		prims = append(prims, []string{p.Name, fmt.Sprintf("%.0f", p.MiBs), optional(p.Ratio, "%.2f"), noise})
	}
	out = append(out, table{"Primitives, all cores", []string{"primitive", "MiB/s of the stream", "ratio", "MiB/s of noise"}, prims})
	var bars [][]string
	for _, b := range r.Bars {
		bars = append(bars, []string{b.What, b.Need, b.Measured, verdict(b)})
	}
	return append(out, table{"Bars", []string{"what", "at least", "measured", "held"}, bars})
}

// remarks are the failures, each in one line.
func (r *report) remarks() (out []string) {
	for _, f := range r.Failed {
		out = append(out, "FAILED: "+strings.Join(strings.Fields(f), " "))
	}
	return out
}

func verdict(b bar) string {
	switch {
	case b.Held == nil:
		return "–"
	case *b.Held:
		return "yes"
	}
	return "no"
}

// optional is a figure, or a dash where there is none.
func optional(x float64, format string) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf(format, x)
}

// facts says what was measured, on what, and in which runs.
func (r *report) facts() string {
	var b strings.Builder
	revision := r.Subject.Revision
	if revision == "" {
		revision = "of no revision"
	}
	fmt.Fprintf(&b, "%s, %d cores, %.0f GiB, Linux %s, %s; Holdfast %s (SHA-256 %.12s). %s each; tree: %d files, %.0f MiB.",
		r.Machine.Processor, r.Machine.Cores, r.Machine.MemoryGiB, r.Machine.Kernel, r.Machine.Go, revision, r.Subject.Digest, sizeText(r.Size), r.Files, float64(r.TreeBytes)/float64(mib))
	for _, p := range r.Parts {
		name := "Run"
		if p.Name != "" {
			name = "Run " + p.Name
		}
		fmt.Fprintf(&b, " %s of %s: %s; %d of each; load %s at the start, %s at the end.", name, p.At, strings.Join(p.Sections, ", "), p.Runs, p.LoadAtStart, p.LoadAtEnd)
		if p.Backed > 0 {
			fmt.Fprintf(&b, " %.0f GiB of memory were used once beforehand, which took %.1f s a GiB.", float64(p.Backed)/float64(gib), p.FirstUse)
		}
	}
	return b.String()
}

func (r *report) writeText(w io.Writer) error {
	fmt.Fprintln(w, r.facts())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range r.tables() {
		if len(x.lines) == 0 {
			continue
		}
		fmt.Fprintf(t, "\n%s\n", strings.ToUpper(x.title))
		for _, line := range append([][]string{x.head}, x.lines...) {
			fmt.Fprintln(t, strings.Join(line, "\t"))
		}
	}
	for i, n := range r.remarks() {
		if i == 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintln(t, n)
	}
	return t.Flush()
}

// writeMarkdown writes the tables as docs/performance.md has them.
func (r *report) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.facts())
	for _, x := range r.tables() {
		if len(x.lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", x.title)
		rule := make([]string, len(x.head))
		for i := range rule {
			rule[i] = "---"
		}
		for _, line := range append([][]string{x.head, rule}, x.lines...) {
			cells := make([]string, len(line))
			for i, cell := range line {
				cells[i] = strings.ReplaceAll(cell, "|", `\|`)
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		}
	}
	for i, n := range r.remarks() {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
