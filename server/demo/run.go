package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// DefaultDir is where a demonstration without a directory lives.
const DefaultDir = "holdfast-demo"

// started is a service that runs beside the demonstration.
type started struct {
	Addresses
	stop  context.CancelFunc
	ended chan error
}

// start runs the service and returns once both faces answer.
func start(ctx context.Context, o Options, s Setting) (*started, error) {
	if o.Start == nil {
		return nil, errors.New("demo: nothing says how to start the service")
	}
	ctx, cancel := context.WithCancel(ctx)
	out := &started{stop: cancel, ended: make(chan error, 1)}
	ready := make(chan Addresses, 1)
	go func() { out.ended <- o.Start(ctx, s, func(a Addresses) { ready <- a }) }()
	select {
	case out.Addresses = <-ready:
		return out, nil
	case err := <-out.ended:
		cancel()
		if err == nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
}

// end stops the service and waits for it.
func (s *started) end() error {
	s.stop()
	return <-s.ended
}

// runSeeded makes or continues an installation and keeps it running.
func runSeeded(ctx context.Context, o Options) (err error) {
	if o.Dir == "" {
		o.Dir = DefaultDir
	}
	st, err := loadState(o.Dir)
	if err != nil {
		return err
	}
	if st.Data == "" || o.Data != "" {
		if st.Data, err = dataDir(ctx, o); err != nil {
			return err
		}
	}
	// Passkeys and charter name the origins, so a second run keeps the first's.
	listen := address(o.Listen, st.Addresses.PortalAddr, "localhost:8080")
	console := address(o.ListenConsole, st.Addresses.ConsoleAddr, "localhost:8081")
	var page guide
	service, err := start(ctx, o, Setting{
		Dir: o.Dir, Listen: listen, ListenConsole: console, ControlDSN: o.ControlDSN, SiteDSN: o.SiteDSN, RedisURL: o.RedisURL, Guide: page.now,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.end()) }()
	if was := st.Addresses.Portal; was != "" && (was != service.Portal || st.Addresses.Console != service.Console) {
		return fmt.Errorf("demo: %s was made for %s and %s, which its passkeys and its charter name: use the same ports, or another --dir", o.Dir, was, st.Addresses.Console)
	}
	in := &installation{o: o, dir: o.Dir, state: st, say: func(string, ...any) {}}
	if !o.JSON {
		in.say = func(format string, args ...any) { fmt.Fprintf(o.Out, format+"\n", args...) }
	}
	if err := in.open(service.Addresses); err != nil {
		return err
	}
	if err := in.seed(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped; the next run carries on
		}
		return err
	}
	page.publish(in.state, in.dir)
	if err := in.welcomeText(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-service.ended:
		service.ended <- err // for end
		return err
	}
}

// stageSeeded means that everything is there.
const stageSeeded = "seeded"

// seed fills the installation.
func (in *installation) seed(ctx context.Context) error {
	if in.state.Stage == stageSeeded {
		return nil
	}
	in.say("Making an installation in %s …", in.dir)
	if err := in.people(ctx); err != nil {
		return err
	}
	otto, err := in.as(ctx, operatorEmail)
	if err != nil {
		return err
	}
	if err := in.volume(ctx, otto, "sources", "files"); err != nil {
		return err
	}
	in.say("Sending %s into the volume sources …", in.state.Data)
	u, err := in.push(ctx, otto, "sources")
	if err != nil {
		return err
	}
	in.say("%d entries with %d bytes are durable. Taking snapshots …", u.Entries, u.Bytes)
	if _, err := in.snapshot(ctx, otto, "sources", "first"); err != nil {
		return err
	}
	if _, err := otto.PutFile(ctx, "sources", "NOTES-OF-TODAY.txt", strings.NewReader("Written after the first snapshot.\n")); err != nil {
		return err
	}
	if _, err := in.snapshot(ctx, otto, "sources", "second"); err != nil {
		return err
	}
	if err := in.volume(ctx, otto, "ledger", "stream"); err != nil {
		return err
	}
	if _, err := otto.PutStream(ctx, "ledger", ledger(10_000)); err != nil {
		return err
	}
	if _, err := in.snapshot(ctx, otto, "ledger", "ledger of today"); err != nil {
		return err
	}
	in.state.Stage = stageSeeded
	return in.state.save()
}

// ledger is what a database's dump might look like.
func ledger(lines int) io.Reader {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "INSERT INTO ledger VALUES (%d, 'account-%03d', %d);\n", i, i%700, (i*7919)%100_000)
	}
	return strings.NewReader(b.String())
}

// seeded is what a program reads of a demonstration that runs.
type seeded struct {
	Start   string       `json:"start"`
	Portal  string       `json:"portal"`
	Console string       `json:"console"`
	Dir     string       `json:"dir"`
	People  []credential `json:"people"`
	Next    []string     `json:"next"`
}

type credential struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Team     string `json:"team,omitempty"`
	SignInAt string `json:"sign_in_at"`
	Email    string `json:"email"`
	Password string `json:"password"`
	TOTP     string `json:"totp"`
}

func (in *installation) welcomeText() error {
	out := seeded{Start: in.state.Addresses.Portal + "/demo", Portal: in.state.Addresses.Portal, Console: in.state.Addresses.Console, Dir: in.dir}
	for _, p := range in.state.People {
		out.People = append(out.People, credential{p.Name, p.Role, p.Team, p.base, p.Email, p.Password, p.TOTP})
	}
	run, server, dir := command(), "", dirFlag(in.dir)
	if out.Portal != "http://localhost:8080" {
		server = " --server " + out.Portal
	}
	first := in.state.Snapshots["first"]
	out.Next = []string{
		fmt.Sprintf("%s demo login%s olivia", run, dir),
		fmt.Sprintf("%s snapshot%s delete %s", run, server, first),
		fmt.Sprintf("HOLDFAST_CODE=$(%s demo code%s olivia) %s request%s delete %s --reason \"no longer needed\"", run, dir, run, server, first),
		fmt.Sprintf("%s demo approve%s ada REQUEST", run, dir),
	}
	if in.o.JSON {
		return writeLine(in.o.Out, out)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nHoldfast runs, as a demonstration: its delays are seconds where a real charter has days, and its people\ndo not exist. Never keep real data in it.\n\n")
	fmt.Fprintf(&b, "  Start    %s/demo   open this in a browser: the people, and a guided path\n", out.Portal)
	fmt.Fprintf(&b, "  Portal   %s   for customers\n  Console  %s   for support\n\n", out.Portal, out.Console)
	fmt.Fprintf(&b, "  %-14s %-20s %-22s %-26s %s\n", "WHO", "ROLE", "E-MAIL", "PASSWORD", "TOTP SECRET")
	for _, p := range out.People {
		role := p.Role
		if p.Team != "" {
			role += " (" + p.Team + ")"
		}
		fmt.Fprintf(&b, "  %-14s %-20s %-22s %-26s %s\n", p.Name, role, p.Email, p.Password, p.TOTP)
	}
	fmt.Fprintf(&b, "\nApprovers and auditors sign in at the console, the others at the portal. Put a TOTP secret into an authenticator app, or print\n")
	fmt.Fprintf(&b, "a code now with: %s demo code%s FIRST-NAME. Everything is also in %s.\n", run, dir, filepath.Join(in.dir, stateFile))
	fmt.Fprintf(&b, "\nTry next, in another terminal, in this directory:\n")
	for i, what := range []string{
		"sign in as the owner", "try to delete a snapshot, and be refused", "ask for it; the answer says how many must approve",
		"approve as ada, and as others, here or in the console",
	} {
		fmt.Fprintf(&b, "  # %s\n  %s\n", what, out.Next[i])
	}
	fmt.Fprintf(&b, "\nStop it with Ctrl-C; started again with --dir %s it carries on.\n", quoted(in.dir))
	_, err := io.WriteString(in.o.Out, b.String())
	return err
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("-_./", r) || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// command is how the user started this program.
func command() string {
	exe, err := os.Executable()
	if err != nil || strings.Contains(exe, "go-build") {
		return "go run ."
	}
	return exe
}

// address is where to listen: where the user says, where it was, or the default.
// A free port means the one that was free the first time.
func address(asked, was, otherwise string) string {
	if asked == "" || strings.HasSuffix(asked, ":0") && was != "" {
		return or(was, or(asked, otherwise))
	}
	return asked
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
