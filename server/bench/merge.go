package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// judge makes rows and bars of what was measured.
func (r *report) judge() {
	results := newResults()
	for _, x := range r.Raw {
		for _, s := range x.Samples {
			results.add(x.point, s)
		}
	}
	results.startup = r.Starts
	// A copy of the tree that was made among its restores is the measure of them, before one that was made at another time.
	if m, ok := results.median("tree", stepRestore, ceilCopy); ok {
		r.Ceilings = slices.DeleteFunc(r.Ceilings, func(c ceiling) bool { return c.Name == ceilCopy })
		r.Ceilings = append(r.Ceilings, ceiling{ceilCopy, rate(m.Bytes, m.Wall), aboutCopy})
	}
	var rivals []string
	for _, p := range r.Peers {
		if p.Missing == "" && !p.Local && p.Name != "holdfast" {
			rivals = append(rivals, p.Name)
		}
	}
	r.StartUp = map[string]float64{}
	for name, all := range r.Starts {
		m, _ := median(all)
		r.StartUp[name] = m.Wall.Seconds()
	}
	c := &ceilings{all: r.Ceilings}
	r.Rows = results.rows(rivals, c)
	r.Bars = (&judge{r: results, peers: rivals, ceilings: c, extra: r.extras, cores: r.Machine.Cores}).all()
}

// load reads the documents of earlier runs and makes one report of them.
func load(paths []string) (*report, error) {
	var all []*report
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		r := &report{}
		if err := json.Unmarshal(text, r); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(paths) > 1 {
			name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
			for i := range r.Parts {
				r.Parts[i].Name = strings.TrimSuffix(name+" "+r.Parts[i].Name, " ")
			}
		}
		all = append(all, r)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return merge(all)
}

// errOther marks reports that cannot be shown as one.
var errOther = errors.New("the runs are not of the same program on the same machine")

// merge makes one report of runs of the same program on the same machine. Samples
// of one step from several runs count together; of a section that is not made of
// samples, and of a ceiling, the first run that has it counts.
func merge(all []*report) (*report, error) {
	out := &report{Machine: all[0].Machine, Subject: all[0].Subject, Size: all[0].Size, Starts: map[string][]sample{}}
	if out.Subject.Digest == "" {
		return nil, fmt.Errorf("%w: one does not say which program it measured", errOther)
	}
	results := newResults()
	for _, r := range all {
		switch {
		case r.Machine != out.Machine:
			return nil, fmt.Errorf("%w: %+v and %+v", errOther, out.Machine, r.Machine)
		case r.Subject.Digest != out.Subject.Digest:
			return nil, fmt.Errorf("%w: SHA-256 %s and %s", errOther, out.Subject.Digest, r.Subject.Digest)
		case r.Size != out.Size:
			return nil, fmt.Errorf("%w: %s and %s", errOther, sizeText(out.Size), sizeText(r.Size))
		}
		out.Parts = append(out.Parts, r.Parts...)
		for _, p := range r.Peers {
			i := slices.IndexFunc(out.Peers, func(o peer) bool { return o.Name == p.Name })
			if i < 0 {
				out.Peers = append(out.Peers, p)
			} else if out.Peers[i] != p {
				return nil, fmt.Errorf("%w: %+v and %+v", errOther, out.Peers[i], p)
			}
		}
		for _, x := range r.Raw {
			for _, s := range x.Samples {
				results.add(x.point, s)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.Starts)) {
			out.Starts[name] = append(out.Starts[name], r.Starts[name]...)
		}
		for _, c := range r.Ceilings {
			if (&ceilings{all: out.Ceilings}).get(c.Name) == 0 {
				out.Ceilings = append(out.Ceilings, c)
			}
		}
		if out.Files == 0 {
			out.Files, out.TreeBytes = r.Files, r.TreeBytes
		}
		if out.Primitives.Text == nil {
			out.Primitives = r.Primitives
		}
		if out.Many == nil {
			out.Many = r.Many
		}
		if out.Memory == nil {
			out.Memory = r.Memory
		}
		out.Failed = append(out.Failed, r.Failed...)
	}
	for _, k := range results.order {
		out.Raw = append(out.Raw, raw{k, results.samples[k]})
	}
	out.judge()
	return out, nil
}
