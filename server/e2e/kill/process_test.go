package kill

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program as it is shipped.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "holdfast-kill")
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

// The origins that passkeys and the charter name. The listeners get other ports
// at every start: nobody else can take what was free a moment ago.
const (
	portalOrigin  = "http://localhost:18080"
	consoleOrigin = "http://localhost:18081"
)

// maxStart bounds how long a start, with its recovery, may take.
const maxStart = time.Minute

// process is one life of the service.
type process struct {
	cmd             *exec.Cmd
	portal, console string // where it listens
	ready           chan struct{}
	ended           chan struct{}
	log             *tail
}

// launch starts the service on a directory and does not wait until it is ready.
func launch(dir string, env []string, out io.Writer) (*process, error) {
	cmd := exec.Command(binary, "--json", "serve", "--dir", dir, "--listen", "127.0.0.1:0", "--listen-console", "127.0.0.1:0",
		"--portal-url", portalOrigin, "--console-url", consoleOrigin, "--log-level", "warn")
	// The tests' own variables are no settings of the service.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HOLDFAST_") }), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{}), log: &tail{to: out}}
	cmd.Stderr = p.log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		lines := bufio.NewScanner(stdout)
		var text []byte
		for lines.Scan() {
			text = append(text, lines.Bytes()...)
			var a struct{ PortalAddr, ConsoleAddr string }
			if json.Unmarshal(text, &a) == nil && a.PortalAddr != "" {
				p.portal, p.console = "http://"+a.PortalAddr, "http://"+a.ConsoleAddr
				close(p.ready)
				break
			}
		}
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait() // how it ended is seen by whoever waits for ended
		close(p.ended)
	}()
	return p, nil
}

// await waits until both faces answer.
func (p *process) await() error {
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("the service ended by itself: %s\n%s", p.cmd.ProcessState, p.log)
	case <-time.After(maxStart):
		return fmt.Errorf("the service is not ready after %s\n%s", maxStart, p.log)
	}
}

// kill ends the process as a power cut would, as far as one process goes.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return nil
}

// tail keeps the end of a log, and passes all of it on.
type tail struct {
	mu    sync.Mutex
	lines [][]byte
	to    io.Writer
}

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, bytes.Clone(text))
	if len(t.lines) > 40 {
		t.lines = t.lines[1:]
	}
	if t.to != nil {
		_, _ = t.to.Write(text)
	}
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(bytes.Join(t.lines, nil)))
}
