package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// usage is what one step cost.
type usage struct {
	Wall time.Duration
	// CPU is user and system time of client and server together.
	CPU time.Duration
	// Others is the processor time that everything else on the machine took meanwhile, as ticks tell it: noise.
	Others time.Duration
	// Client and Server are the peaks of memory in bytes; 0 where there is no server.
	Client, Server int64
}

// others is Others where the ticks of /proc did not round it below nothing.
func (u usage) others() time.Duration { return max(u.Others, 0) }

// add is two steps in a row.
func (u usage) add(v usage) usage {
	return usage{Wall: u.Wall + v.Wall, CPU: u.CPU + v.CPU, Others: u.Others + v.Others, Client: max(u.Client, v.Client), Server: max(u.Server, v.Server)}
}

// command is one call of a client.
type command struct {
	args   []string
	env    []string // besides the base environment
	dir    string
	stdin  io.Reader
	stdout io.Writer // nil: thrown away
	// serverPID finds the server that the client starts by itself; nil if none.
	serverPID func() int
}

// environ is what every child gets: nothing of the user's settings for any of the
// programs, homes below dir.
func environ(dir string, more ...string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TMPDIR=" + dir, "HOME=" + filepath.Join(dir, "home"),
		"XDG_CACHE_HOME=" + filepath.Join(dir, "home", "cache"), "XDG_CONFIG_HOME=" + filepath.Join(dir, "home", "config"),
	}
	return append(env, more...)
}

// run runs a client to its end. Its peak of memory is sampled, for that of the
// kernel's rusage begins with the bench's own.
func run(ctx context.Context, c command) (usage, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout = c.env, c.dir, c.stdin, c.stdout
	said := &tail{}
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	busy, start := machineCPU()-ownCPU(), time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	stop := make(chan struct{})
	var u usage
	var sampled sync.WaitGroup
	sampled.Go(func() {
		t := time.NewTicker(5 * time.Millisecond)
		defer t.Stop()
		for {
			if n, err := peakOf(cmd.Process.Pid); err == nil {
				u.Client = max(u.Client, n)
			}
			if c.serverPID != nil {
				if pid := c.serverPID(); pid != 0 {
					if n, err := peakOf(pid); err == nil {
						u.Server = max(u.Server, n)
					}
				}
			}
			select {
			case <-stop:
				return
			case <-t.C:
			}
		}
	})
	err := cmd.Wait()
	u.Wall = time.Since(start)
	close(stop)
	sampled.Wait()
	u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.Others = machineCPU() - ownCPU() - busy - u.CPU
	if err != nil {
		return u, fmt.Errorf("%s: %w\n%s", strings.Join(c.args, " "), err, said)
	}
	return u, nil
}

// output runs a client and returns what it says.
func output(ctx context.Context, c command) (string, error) {
	var b bytes.Buffer
	c.stdout = &b
	_, err := run(ctx, c)
	return strings.TrimSpace(b.String()), err
}

// server is a process that runs beside the clients.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{}
	said  *tail
}

// startServer starts a server; out gets its standard output, or nil.
func startServer(args, env []string, out io.Writer) (*server, error) {
	cmd := exec.Command(args[0], args[1:]...)
	s := &server{cmd: cmd, ended: make(chan struct{}), said: &tail{}}
	cmd.Env, cmd.Stderr, cmd.Stdout = env, s.said, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is seen by whoever waits for ended
		close(s.ended)
	}()
	return s, nil
}

// stop ends the server, at first politely.
func (s *server) stop() {
	if s == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// await waits until ready says so.
func (s *server) await(ctx context.Context, ready func() bool) error {
	deadline := time.Now().Add(maxStart)
	for !ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ended:
			return fmt.Errorf("%s ended by itself: %s\n%s", s.cmd.Args[0], s.cmd.ProcessState, s.said)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s\n%s", s.cmd.Args[0], maxStart, s.said)
		}
	}
	return nil
}

// during runs a step and adds what the server spent on it.
func (s *server) during(step func() (usage, error)) (usage, error) {
	if s == nil {
		return step()
	}
	pid := s.cmd.Process.Pid
	before, err := cpuOf(pid)
	if err := errors.Join(err, resetPeak(pid)); err != nil {
		return usage{}, err
	}
	u, err := step()
	if err != nil {
		return u, fmt.Errorf("%w\n%s", err, s.said)
	}
	spent, err := cpuOf(pid)
	if err != nil {
		return u, err
	}
	u.CPU, u.Others = u.CPU+spent-before, u.Others-(spent-before)
	u.Server, err = peakOf(pid)
	return u, err
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - maxOutput; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
