package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast/authz/passkey/softkey"
	"holdfast/authz/totp"
	"holdfast/server/client"
	"holdfast/server/wire"
)

// binary is the program as it is shipped: one static file.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "holdfast-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "holdfast")
		build := exec.Command("go", "build", "-o", binary, "holdfast")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
			return 1
		}
		return m.Run()
	}())
}

// One static binary: it asks for no interpreter and no library.
func TestTheBinaryIsStatic(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // other systems' programs always ask for their system's library
	}
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary asks for an interpreter")
		}
	}
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("the binary asks for %v", libraries)
	}
}

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, ".config"))
			e.Setenv("HOLDFAST_PASSWORD", password)
			e.Setenv("TZ", "UTC")
			s := &story{totp: map[string]*generator{}, keys: map[string]*softkey.Device{}}
			e.Values[storyKey{}] = s
			e.Defer(func() { _ = s.kill() }) // a story that failed leaves its service behind
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serve, "stop": stop, "accept": accept, "code": code, "capture": capture,
		},
		RequireExplicitExec: true,
	})
}

const password = "correct horse battery staple 9"

type storyKey struct{}

// story is what one script has running.
type story struct {
	service *exec.Cmd
	log     lockedBuffer
	totp    map[string]*generator
	keys    map[string]*softkey.Device
}

// generator makes codes, each of a later step than the one before. The service
// takes the current step's code and the next one's, so a third code within one
// step has to wait for the step to end.
type generator struct {
	secret totp.Secret
	last   int64
}

func (g *generator) code() (string, error) {
	now := time.Now()
	g.last = max(totp.Step(now), g.last+1)
	of := time.Unix(g.last*int64(totp.Period/time.Second), 0)
	if early := of.Add(-totp.Period).Sub(now); early > 0 {
		<-time.After(early)
	}
	return totp.Code(g.secret, of)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func of(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

// serve DIR [FLAG...]: starts a service and waits until it is ready. Sets
// HOLDFAST_SERVER, PORTAL_ADDR, CONSOLE, CONSOLE_ADDR.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve DIR [FLAG...]")
	}
	s := of(ts)
	if s.service != nil {
		ts.Fatalf("a service runs already")
	}
	flags := append([]string{"serve", "--json", "--dir", ts.MkAbs(args[0])}, args[1:]...)
	if len(args) == 1 {
		flags = append(flags, "--listen", "localhost:0", "--listen-console", "localhost:0")
	}
	cmd := exec.Command(binary, flags...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
	cmd.Stderr = &s.log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	s.service = cmd
	type addresses struct{ Portal, Console, PortalAddr, ConsoleAddr string }
	var a addresses
	err = json.NewDecoder(bufio.NewReader(out)).Decode(&a)
	if err != nil {
		_ = s.kill()
		ts.Fatalf("the service did not start: %v\n%s", err, s.log.String())
	}
	ts.Setenv("HOLDFAST_SERVER", a.Portal)
	ts.Setenv("PORTAL_ADDR", a.PortalAddr)
	ts.Setenv("CONSOLE", a.Console)
	ts.Setenv("CONSOLE_ADDR", a.ConsoleAddr)
}

// stop [kill]: ends the service in good order, or as a loss of power would.
func stop(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if neg || s.service == nil {
		ts.Fatalf("no service runs")
	}
	if len(args) == 1 && args[0] == "kill" {
		_ = s.kill()
		return
	}
	ts.Check(s.service.Process.Signal(syscall.SIGTERM))
	err := s.service.Wait()
	s.service = nil
	if err != nil {
		ts.Fatalf("the service did not stop well: %v\n%s", err, s.log.String())
	}
}

func (s *story) kill() error {
	if s.service == nil {
		return nil
	}
	err := errors.Join(s.service.Process.Kill(), s.service.Wait())
	s.service = nil
	return err
}

// accept NAME FILE [passkey]: answers, with a TOTP generator or a software
// passkey, the invitation that FILE (the JSON of the command that invited) holds.
// Staff answer on the console, members on the portal.
func accept(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: accept NAME FILE [passkey]")
	}
	var made struct {
		wire.Invitation
		Owner *wire.Invitation `json:"invitation"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &made))
	invitation, base := made.Invitation, ts.Getenv("CONSOLE")
	if made.Owner != nil {
		invitation, base = *made.Owner, ts.Getenv("HOLDFAST_SERVER")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := client.New(base)
	answer := wire.AcceptInvitation{Secret: invitation.Secret, Password: password}
	if len(args) == 3 {
		begun, err := c.BeginInvitation(ctx, invitation.Secret, "passkey")
		ts.Check(err)
		device := softkey.New()
		of(ts).keys[args[0]] = device
		options, err := json.Marshal(begun.Passkey.PublicKey)
		ts.Check(err)
		credential, err := device.Create(base, options)
		ts.Check(err)
		answer.Passkey = &wire.PasskeyAnswer{Ceremony: begun.Passkey.Ceremony, Name: "key", Credential: json.RawMessage(credential)}
	} else {
		begun, err := c.BeginInvitation(ctx, invitation.Secret, "totp")
		ts.Check(err)
		g := &generator{}
		g.secret, err = totp.ParseSecret(begun.TOTP.Secret)
		ts.Check(err)
		of(ts).totp[args[0]] = g
		code, err := g.code()
		ts.Check(err)
		answer.TOTP = &wire.Code{Code: code, Ceremony: begun.TOTP.Ceremony, Name: "phone"}
	}
	_, err := c.AcceptInvitation(ctx, answer)
	ts.Check(err)
}

// code NAME: puts the next TOTP code of NAME into HOLDFAST_CODE.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || of(ts).totp[args[0]] == nil {
		ts.Fatalf("usage: code NAME, after accept NAME")
	}
	c, err := of(ts).totp[args[0]].code()
	ts.Check(err)
	ts.Setenv("HOLDFAST_CODE", c)
}

// capture VARIABLE FIELD FILE: puts a field of a JSON file into a variable.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture VARIABLE FIELD FILE")
	}
	var all map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[2])), &all))
	text, ok := all[args[1]].(string)
	if !ok {
		ts.Fatalf("no text %q in %s", args[1], strings.TrimSpace(ts.ReadFile(args[2])))
	}
	ts.Setenv(args[0], text)
}
