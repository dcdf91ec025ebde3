package audit

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// EntriesLevel is the level of a tile that holds leaf texts instead of hashes.
const EntriesLevel = -1

// Tile names one tile of https://c2sp.org/tlog-tiles.
type Tile struct {
	Level int   // 0 to 6, or EntriesLevel
	Index int64 // within the level
	Width int   // 1 to TileWidth; less than TileWidth is a partial tile
}

// Path is tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>], without a leading slash.
func (t Tile) Path() string {
	p := tlog.Tile{H: TileHeight, L: max(t.Level, 0), N: t.Index, W: t.Width}.Path()
	p = strings.TrimPrefix(p, "tile/8/")
	if t.Level == EntriesLevel {
		_, p, _ = strings.Cut(p, "/")
		return "tile/entries/" + p
	}
	return "tile/" + p
}

// ParseTilePath reads a tile's path strictly, with or without a leading slash: ErrTile.
func ParseTilePath(path string) (Tile, error) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "/"), "tile/")
	if !ok || len(path) > MaxTilePath {
		return Tile{}, ErrTile
	}
	entries, isEntries := strings.CutPrefix(rest, "entries/")
	if isEntries {
		rest = "0/" + entries
	}
	parsed, err := tlog.ParseTilePath("tile/8/" + rest)
	if err != nil || parsed.L > 6 || parsed.N >= MaxSize/TileWidth {
		return Tile{}, ErrTile
	}
	t := Tile{Level: parsed.L, Index: parsed.N, Width: parsed.W}
	if isEntries {
		t.Level = EntriesLevel
	}
	if t.Path() != strings.TrimPrefix(path, "/") {
		return Tile{}, ErrTile
	}
	return t, nil
}

// exists says whether the tree of size leaves has all that the tile holds.
func (t Tile) exists(size int64) bool {
	if t.Width < 1 || t.Width > TileWidth || t.Index < 0 || t.Index >= MaxSize/TileWidth || t.Level < EntriesLevel || t.Level > 6 {
		return false
	}
	return t.Index*TileWidth+int64(t.Width) <= size>>(TileHeight*max(t.Level, 0))
}

// ReadTile gives the content of the tile at path in the tree of size leaves (the newest published checkpoint's). It is
// pure over its readers, so that an HTTP handler and an export share it. Errors: ErrTile, ErrNoTile.
func ReadTile(ctx context.Context, size int64, hashes HashReader, leaves LeafReader, path string) ([]byte, error) {
	t, err := ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	if !t.exists(size) {
		return nil, ErrNoTile
	}
	if t.Level != EntriesLevel {
		return tlog.ReadTileData(tlog.Tile{H: TileHeight, L: t.Level, N: t.Index, W: t.Width}, bindReader(ctx, hashes))
	}
	texts, err := leaves.ReadLeaves(ctx, t.Index*TileWidth, t.Width)
	if err != nil {
		return nil, err
	}
	if len(texts) != t.Width {
		return nil, fmt.Errorf("%w: %d of %d leaves", ErrNoTile, len(texts), t.Width)
	}
	return RenderBundle(texts)
}

// RenderBundle writes an entry bundle: each leaf after its length as a big-endian uint16. ErrTile.
func RenderBundle(leaves [][]byte) ([]byte, error) {
	if len(leaves) == 0 || len(leaves) > TileWidth {
		return nil, fmt.Errorf("%w: bundle of %d leaves", ErrTile, len(leaves))
	}
	var b []byte
	for _, l := range leaves {
		if len(l) > MaxLeaf {
			return nil, fmt.Errorf("%w: leaf of %d bytes", ErrTile, len(l))
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(l))), l...)
	}
	return b, nil
}

// ParseBundle reads an entry bundle that must hold exactly width leaves and nothing more: ErrTile. The leaves share data's
// memory.
func ParseBundle(data []byte, width int) ([][]byte, error) {
	if width < 1 || width > TileWidth || len(data) > MaxTile {
		return nil, fmt.Errorf("%w: bundle", ErrTile)
	}
	out := make([][]byte, 0, width)
	for range width {
		if len(data) < 2 {
			return nil, fmt.Errorf("%w: bundle ends early", ErrTile)
		}
		n := int(binary.BigEndian.Uint16(data))
		if n > MaxLeaf || len(data) < 2+n {
			return nil, fmt.Errorf("%w: leaf of %d bytes", ErrTile, n)
		}
		out, data = append(out, data[2:2+n:2+n]), data[2+n:]
	}
	if len(data) != 0 {
		return nil, fmt.Errorf("%w: bytes after the bundle", ErrTile)
	}
	return out, nil
}

// Tiles lists every tile and entry bundle of the tree of size leaves: each full one, and the partial one at the right edge
// of each level. An export writes exactly these, before the checkpoint.
func Tiles(size int64) iter.Seq[Tile] {
	return func(yield func(Tile) bool) {
		for level := EntriesLevel; level <= 6; level++ {
			n := size >> (TileHeight * max(level, 0))
			for i := int64(0); i*TileWidth < n; i++ {
				if !yield(Tile{Level: level, Index: i, Width: int(min(n-i*TileWidth, TileWidth))}) {
					return
				}
			}
		}
	}
}

// bundleAt is the widest bundle of the tree of size leaves that holds leaf index.
func bundleAt(index, size int64) Tile {
	n := index / TileWidth
	return Tile{Level: EntriesLevel, Index: n, Width: int(min(size-n*TileWidth, TileWidth))}
}
