package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// allocated is how many bytes of a file are on the disk: punched holes are not.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return math.MaxInt64
}

// statCPU reads user and system time of a process and of its children that
// ended, from the text of /proc/PID/stat (proc(5)): fields 14 to 17.
func statCPU(stat string) (time.Duration, error) {
	// The second field is the name in brackets, which may hold anything.
	i := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[i+1:])
	if i < 0 || len(fields) < 15 {
		return 0, fmt.Errorf("not the text of /proc/PID/stat: %.40q", stat)
	}
	var ticks int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// statusPeak reads VmHWM, in bytes, from the text of /proc/PID/status.
func statusPeak(status []byte) (int64, error) {
	for line := range bytes.Lines(status) {
		if text, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			f := strings.Fields(string(text))
			if len(f) != 2 || f[1] != "kB" {
				break
			}
			n, err := strconv.ParseInt(f[0], 10, 64)
			return n * kib, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in /proc/PID/status")
}

func proc(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// cpuOf is the processor time of a running process so far.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return 0, err
	}
	return statCPU(string(text))
}

// peakOf is the most memory that a running process has held, in bytes.
func peakOf(pid int) (int64, error) {
	text, err := os.ReadFile(proc(pid, "status"))
	if err != nil {
		return 0, err
	}
	return statusPeak(text)
}

// ownCPU is the processor time of this process so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it knows no other error than wrong arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// busyTicks is the ticks that all processors together were not idle, from the
// text of /proc/stat (proc(5)); what a hypervisor took away is among them.
func busyTicks(stat string) (n int64) {
	for i, f := range strings.Fields(after(stat, "cpu ")) {
		if ticks, err := strconv.ParseInt(f, 10, 64); err == nil && i < 8 && i != 3 && i != 4 { // idle, and waiting for a disk
			n += ticks
		}
	}
	return n
}

// machineCPU is the processor time that the whole machine has spent; 0 if it does not say.
func machineCPU() time.Duration {
	return time.Duration(busyTicks(readText("/proc/stat"))) * time.Second / ticksPerSecond
}

// resetPeak makes peakOf count from what the process holds now.
func resetPeak(pid int) error {
	f, err := os.OpenFile(proc(pid, "clear_refs"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("5")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// machine says what everything was measured on.
type machine struct {
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	MemoryGiB float64 `json:"memory_gib"`
	Kernel    string  `json:"kernel"`
	Go        string  `json:"go"`
}

// after is the value of the first line of text that begins with a name.
func after(text, name string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(strings.TrimLeft(rest, " \t:"))
		}
	}
	return ""
}

func readText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // a description that lacks a line is no reason to measure nothing
	}
	return string(text)
}

func loadAverage() string {
	f := strings.Fields(readText("/proc/loadavg"))
	return strings.Join(f[:min(3, len(f))], " ")
}
