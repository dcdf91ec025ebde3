package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// part is the document of a run that measured some steps, each of the others' absence notwithstanding.
func part(t *testing.T, name string, change func(*report)) string {
	t.Helper()
	r := &report{Machine: machine{Processor: "p", Cores: 2}, Subject: subject{Digest: "d"}, Size: gib, Starts: map[string][]sample{},
		Peers: []peer{{Name: "holdfast"}, {Name: "restic", Version: "1"}}, Parts: []measuring{{Sections: []string{name}, Runs: 1, At: "today"}}}
	change(r)
	path := filepath.Join(t.TempDir(), name+".json")
	if err := createWith(path, r.writeJSON); err != nil {
		t.Fatal(err)
	}
	return path
}

func measured(data, step, program string, wall ...time.Duration) raw {
	return raw{point{data, step, program}, some(wall...)}
}

func TestSeveralRunsAreShownAsOne(t *testing.T) {
	first := part(t, "first", func(r *report) {
		r.Raw = []raw{measured("tree", stepRestore, "holdfast", 4*time.Second), measured("tree", stepRestore, "restic", 8*time.Second), measured("stream", stepNew, fastName, time.Second)}
		r.Failed = []string{"a failure"}
	})
	second := part(t, "second", func(r *report) {
		r.Raw = []raw{measured("tree", stepRestore, "holdfast", 2*time.Second, 2*time.Second), measured("stream", stepNew, "restic", 4*time.Second)}
		r.Ceilings = []ceiling{{ceilCopy, 40, "cp"}}
		r.Many = &many{Together: 2, Alone: 1, P99: 10}
		r.Files = 7
	})
	third := part(t, "third", func(r *report) {
		r.Ceilings = []ceiling{{ceilCopy, 1000, "cp"}} // the first that has it counts
		r.Memory = []memory{{Bytes: gib, PushClient: 10}}
	})
	r, err := load([]string{first, second, third})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Parts) != 3 || r.Parts[1].Name != "second" || r.Files != 7 || len(r.Failed) != 1 {
		t.Errorf("%+v", r)
	}
	if len(r.Rows) != 4 || r.Rows[0].Runs != 3 || r.Rows[0].Seconds != 2 || r.Rows[0].VsBest != 4 {
		t.Errorf("%+v", r.Rows)
	}
	held := map[string]string{}
	for _, b := range r.Bars {
		held[b.What+", "+b.Need] = verdict(b)
	}
	for bar, want := range map[string]string{
		"restore of a tree, verified, 1.5 × restic":                          "yes",
		"restore of a tree, verified, 100 % of cp -a":                        "yes",
		"new stream, fast mode (s2), 3.3 × restic":                           "yes",
		"32 uploads and restores at once, not below one stream's throughput": "yes",
		"peak memory with one stream of 1GiB, at most 256 MiB each":          "yes",
		"new tree, 2 × restic":                                               "–",
	} {
		if held[bar] != want {
			t.Errorf("%s: held %q, not %q", bar, held[bar], want)
		}
	}
	// What one document holds says the same again.
	var doc bytes.Buffer
	if err := r.writeJSON(&doc); err != nil {
		t.Fatal(err)
	}
	again := &report{}
	if err := json.Unmarshal(doc.Bytes(), again); err != nil {
		t.Fatal(err)
	}
	if again.judge(); len(again.Rows) != len(r.Rows) || again.Rows[0] != r.Rows[0] {
		t.Errorf("%+v", again.Rows)
	}
}

func TestRunsOfSomethingElseAreNotShownAsOne(t *testing.T) {
	one := part(t, "one", func(*report) {})
	for name, change := range map[string]func(*report){
		"machine": func(r *report) { r.Machine.Cores = 4 },
		"program": func(r *report) { r.Subject.Digest = "e" },
		"size":    func(r *report) { r.Size = mib },
		"peer":    func(r *report) { r.Peers[1].Version = "2" },
	} {
		if _, err := load([]string{one, part(t, "other", change)}); !errors.Is(err, errOther) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	unknown := part(t, "unknown", func(r *report) { r.Subject.Digest = "" })
	if _, err := load([]string{unknown, unknown}); !errors.Is(err, errOther) {
		t.Errorf("a program that nobody knows: %v", err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	for _, flag := range []string{"--plot", "--out"} {
		path := filepath.Join(t.TempDir(), "there")
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := parseOptions([]string{flag, path}, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", flag, err)
		}
		if err := start(t.Context(), []string{"--from", part(t, "one", func(*report) {}), flag, path}, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", flag, err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
			t.Errorf("%s: %q, %v", flag, b, err)
		}
	}
}

func TestTheMediansOfAnEvenNumberLieBetween(t *testing.T) {
	if m, _ := median(some(4*time.Second, time.Second, 2*time.Second, 20*time.Second)); m.Wall != 3*time.Second {
		t.Error(m.Wall)
	}
}

func TestTheMachinesTimeIsWithoutItsIdleness(t *testing.T) {
	if got := busyTicks("cpu  100 20 30 1000 500 4 5 6 70 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n"); got != 165 {
		t.Error(got)
	}
	if machineCPU() <= 0 {
		t.Error("this machine does not say what it did")
	}
	u, err := run(t.Context(), command{args: []string{"sh", "-c", strings.Repeat("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; ", 2)}})
	if err != nil || u.CPU <= 0 || u.Others > 100*time.Hour {
		t.Errorf("%+v, %v", u, err)
	}
}
