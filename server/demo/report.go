package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Step is one thing that a scenario did, and whether it went as it must.
type Step struct {
	Step   string `json:"step"`
	Threat string `json:"threat"`
	Expect string `json:"expect"`
	Got    string `json:"got"`
	Status int    `json:"status"`
	Type   string `json:"type"`
	OK     bool   `json:"ok"`
}

// Summary is a scenario's last line.
type Summary struct {
	Summary bool `json:"summary"`
	Steps   int  `json:"steps"`
	Failed  int  `json:"failed"`
	// RestoredIdentical says that every restored tree was compared with its source
	// and was the same.
	RestoredIdentical bool `json:"restored_identical"`
	// ErasedBytes is how much smaller the blob directory was after the lawful deletion.
	ErasedBytes int64 `json:"erased_bytes"`
	// Threats are the numbers of the attack catalogue that were carried out.
	Threats []string `json:"threats"`
	Seconds float64  `json:"seconds"`
}

// reporter writes steps as a story or as JSON.
type reporter struct {
	mu      sync.Mutex
	out     io.Writer
	json    bool
	begun   time.Time
	summary Summary
	threats map[string]bool
	silent  int // steps that a story leaves out
}

func newReporter(out io.Writer, asJSON bool) *reporter {
	return &reporter{out: out, json: asJSON, begun: time.Now(), summary: Summary{Summary: true}, threats: map[string]bool{}}
}

// act begins a part of the story.
func (r *reporter) act(title, text string) {
	r.flush()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.json {
		fmt.Fprintf(r.out, "\n%s\n%s\n%s\n", title, strings.Repeat("─", len([]rune(title))), text)
	}
}

// say tells what goes on between steps.
func (r *reporter) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.json {
		fmt.Fprintf(r.out, "    · "+format+"\n", args...)
	}
}

// step writes a step. A quiet one stands in the story only when it failed.
func (r *reporter) step(s Step, quiet bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Steps++
	if !s.OK {
		r.summary.Failed++
	}
	for t := range strings.FieldsSeq(s.Threat) {
		r.threats[t] = true
	}
	if r.json {
		_ = writeLine(r.out, s) // a reader that went away reads no error either; the status tells
		return
	}
	if quiet && s.OK {
		r.silent++
		return
	}
	mark := "✓"
	if !s.OK {
		mark = "✗"
	}
	fmt.Fprintf(r.out, "  %s %-4s %s\n         %s\n", mark, s.Threat, s.Step, s.Got)
	if !s.OK {
		fmt.Fprintf(r.out, "         but it must be: %s\n", s.Expect)
	}
}

// flush tells how many quiet steps there were.
func (r *reporter) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent > 0 && !r.json {
		fmt.Fprintf(r.out, "  ✓      … and %d more calls, every one as it must be\n", r.silent)
	}
	r.silent = 0
}

// end writes the summary.
func (r *reporter) end() (Summary, error) {
	r.flush()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range 100 {
		if t := fmt.Sprintf("T%02d", i); r.threats[t] {
			r.summary.Threats = append(r.summary.Threats, t)
		}
	}
	r.summary.Seconds = time.Since(r.begun).Round(time.Millisecond).Seconds()
	if r.json {
		return r.summary, writeLine(r.out, r.summary)
	}
	same := "was the same as its source, byte for byte"
	if !r.summary.RestoredIdentical {
		same = "was NOT the same as its source"
	}
	_, err := fmt.Fprintf(r.out, "\n%d steps, %d failed, in %.0f s. What was restored %s.\nThe one lawful deletion erased %d bytes from disk. Attacks: %s.\n",
		r.summary.Steps, r.summary.Failed, r.summary.Seconds, same, r.summary.ErasedBytes, strings.Join(r.summary.Threats, " "))
	return r.summary, err
}

func writeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
