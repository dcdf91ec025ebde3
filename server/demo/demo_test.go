package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/redistest"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/server/app"
	"holdfast/server/config"
	"holdfast/server/demo"
)

func startService(ctx context.Context, s demo.Setting, ready func(demo.Addresses)) error {
	return app.Run(ctx, config.Config{
		Dir: s.Dir, Listen: s.Listen, ListenConsole: s.ListenConsole,
		ControlDSN: s.ControlDSN, SiteDSN: s.SiteDSN, RedisURL: s.RedisURL,
	}, func(a app.Addresses) { ready(demo.Addresses(a)) })
}

func TestMain(m *testing.M) {
	level := slog.LevelError + 4
	if os.Getenv("HOLDFAST_TEST_VERBOSE") != "" {
		level = slog.LevelWarn
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	os.Exit(m.Run())
}

// play runs the scenario on a tree and fails the test with every step that did
// not go as it must.
func play(t *testing.T, o demo.Options) demo.Summary {
	t.Helper()
	var out bytes.Buffer
	o.Scenario, o.JSON, o.Out, o.Start, o.Operator = demo.CodeSpaces, true, &out, startService, app.ReadOperator
	if os.Getenv("HOLDFAST_TEST_VERBOSE") != "" {
		o.Out = io.MultiWriter(&out, os.Stderr)
	}
	err := demo.Run(t.Context(), o)
	var sum demo.Summary
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 1<<20)
	steps := 0
	for lines.Scan() {
		var s struct {
			demo.Step
			Summary bool `json:"summary"`
		}
		if e := json.Unmarshal(lines.Bytes(), &s); e != nil {
			t.Fatalf("not a line of JSON: %q: %v", lines.Text(), e)
		}
		if s.Summary {
			if e := json.Unmarshal(lines.Bytes(), &sum); e != nil {
				t.Fatal(e)
			}
			continue
		}
		steps++
		if !s.OK {
			t.Errorf("%s %s: it must be %q, it was %q", s.Threat, s.Step.Step, s.Expect, s.Got)
		}
	}
	if err != nil {
		t.Error(err)
	}
	if sum.Steps != steps || sum.Failed != 0 || !sum.RestoredIdentical || sum.ErasedBytes < 20<<20 {
		t.Errorf("%d steps were told, the summary is %+v", steps, sum)
	}
	return sum
}

// oddTree makes what a tree can have: names that are no text, empty files, deep
// folders, links of both kinds, a sparse file, modes and times.
func oddTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "odd")
	write := func(name, content string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{
		"plain.txt", "with space", "new\nline", "tab\tand \"quotes\"", "not-utf8-\xff\xfe", "bidi-\u202etxt.exe", "é", "e\u0301", "-rf", "~", "%2e%2e", "a\\b", "?*[x]", "#hash&query=1", "con.", " lead", "trail ",
		"deep/" + strings.Repeat("folder/", 40) + "bottom", strings.Repeat("n", 255), ".hidden", "..two", "...",
	} {
		write(name, fmt.Sprintf("content %d of %q", i, name), 0o640)
	}
	write("empty", "", 0o444)
	write("secret", "x", 0o000)
	write("run.sh", "#!/bin/sh\n", 0o755)
	big := bytes.Repeat([]byte("holdfast "), 400_000)
	write("big", string(big), 0o600)
	for i := range 300 {
		write(fmt.Sprintf("many/%03d", i), strings.Repeat(fmt.Sprint(i), i), 0o644)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(os.Mkdir(filepath.Join(dir, "empty-folder"), 0o700))
	do(os.Symlink("plain.txt", filepath.Join(dir, "link")))
	do(os.Symlink("/nowhere/at/all", filepath.Join(dir, "dangling")))
	do(os.Symlink("../../..", filepath.Join(dir, "up")))
	do(os.Symlink("many", filepath.Join(dir, "to-folder")))
	do(os.Link(filepath.Join(dir, "big"), filepath.Join(dir, "a-hard-link")))
	do(os.Link(filepath.Join(dir, "big"), filepath.Join(dir, "many", "hard")))
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	do(err)
	_, err = sparse.WriteAt([]byte("in the middle"), 40<<20)
	do(err)
	do(sparse.Truncate(96 << 20))
	do(sparse.Close())
	old := time.Date(1999, 12, 31, 23, 59, 59, 123456789, time.UTC)
	do(os.Chtimes(filepath.Join(dir, "plain.txt"), old, old))
	do(os.Chtimes(filepath.Join(dir, "many"), old, old.Add(time.Nanosecond)))
	do(os.Chmod(filepath.Join(dir, "empty-folder"), 0o555))
	return dir
}

// The scenarios wait more than they work: for delays, and for fresh one-time codes.
func TestScenarioOnSQLite(t *testing.T) {
	t.Parallel()
	sum := play(t, demo.Options{Data: oddTree(t)})
	t.Logf("%d steps in %.1f s, %v", sum.Steps, sum.Seconds, sum.Threats)
}

// TestScenarioOnPostgreSQLAndRedis is the same on a real database server and a
// real Redis.
func TestScenarioOnPostgreSQLAndRedis(t *testing.T) {
	t.Parallel()
	sum := play(t, demo.Options{
		Data: oddTree(t), ControlDSN: sqldbtest.PostgresDSN(t), SiteDSN: sqldbtest.PostgresDSN(t), RedisURL: redistest.Start(t).URL(),
	})
	t.Logf("%d steps in %.1f s, %v", sum.Steps, sum.Seconds, sum.Threats)
}

// TestSeededCarriesOn stops a demonstration and starts it again on its directory.
func TestSeededCarriesOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	run := func() (out map[string]any) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		r, w := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			err := demo.Run(ctx, demo.Options{
				Dir: dir, Data: oddTree(t), JSON: true, Out: w, Start: startService, Operator: app.ReadOperator, Listen: "localhost:0", ListenConsole: "localhost:0",
			})
			w.CloseWithError(err)
			ended <- err
		}()
		if err := json.NewDecoder(r).Decode(&out); err != nil {
			t.Fatalf("%v, %v", err, <-ended)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := run()
	info, err := os.Stat(filepath.Join(dir, "demo.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	second := run()
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Fatalf("it did not carry on:\n%v\n%v", first, second)
	}
}
