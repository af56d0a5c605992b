// Check holds a log that licet wrote against golang.org/x/mod/sumdb: another tree, another note, other people.
//
//	check FOLDER VKEY < PROOFS
//
// It verifies the checkpoint's signature, every entry's inclusion and every earlier size's consistency, first by
// proofs that Go makes from the log's tiles, then by those on the standard input, one a line:
//
//	inclusion INDEX HASH...
//	consistency OLD HASH...
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

// tiles reads C2SP tiles, whose paths lack the height that Go's have.
type tiles struct{ folder string }

func (t tiles) Height() int                                { return 8 }
func (t tiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func check(err error, format string, args ...any) {
	if err != nil {
		fmt.Printf("contradiction: %s: %v\n", fmt.Sprintf(format, args...), err)
		os.Exit(1)
	}
}

func checkpoint(folder, vkey string) (int64, tlog.Hash) {
	raw, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	check(err, "checkpoint")
	verifier, err := note.NewVerifier(vkey)
	check(err, "vkey")
	opened, err := note.Open(raw, note.VerifierList(verifier))
	check(err, "checkpoint")
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "size")
	root, err := tlog.ParseHash(lines[2])
	check(err, "root")
	return size, root
}

func bundle(folder string, index, size int64) [][]byte {
	tile := tlog.Tile{H: 8, L: 0, N: index, W: int(min(width, size-index*width))}
	path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(folder, path))
	check(err, "%s", path)
	var entries [][]byte
	for len(data) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != tile.W {
		check(fmt.Errorf("has %d entries", len(entries)), "%s", path)
	}
	return entries
}

func main() {
	folder := os.Args[1]
	size, root := checkpoint(folder, os.Args[2])
	published := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{folder})

	// Go's own tree over the entries alone, which knows nothing of our tiles.
	var stored []tlog.Hash
	own := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	var leaves []tlog.Hash
	roots := []tlog.Hash{{}}
	for index := int64(0); index*width < size; index++ {
		for _, entry := range bundle(folder, index, size) {
			more, err := tlog.StoredHashes(int64(len(leaves)), entry, own)
			check(err, "entry %d", len(leaves))
			stored = append(stored, more...)
			leaves = append(leaves, tlog.RecordHash(entry))
			old, err := tlog.TreeHash(int64(len(leaves)), own)
			check(err, "root of %d", len(leaves))
			roots = append(roots, old)
		}
	}
	if roots[size] != root {
		check(fmt.Errorf("Go computes %v", roots[size]), "root")
	}

	for n, leaf := range leaves {
		proof, err := tlog.ProveRecord(size, int64(n), published)
		check(err, "inclusion of %d from tiles", n)
		check(tlog.CheckRecord(proof, size, root, int64(n), leaf), "inclusion of %d from tiles", n)
	}
	for old := int64(1); old <= size; old++ {
		proof, err := tlog.ProveTree(size, old, published)
		check(err, "consistency with %d from tiles", old)
		check(tlog.CheckTree(proof, size, root, old, roots[old]), "consistency with %d from tiles", old)
	}

	inclusions, consistencies := 0, 0
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		words := strings.Fields(input.Text())
		n, err := strconv.ParseInt(words[1], 10, 64)
		check(err, "%s", words[1])
		var hashes []tlog.Hash
		for _, word := range words[2:] {
			hash, err := tlog.ParseHash(word)
			check(err, "%s", word)
			hashes = append(hashes, hash)
		}
		switch words[0] {
		case "inclusion":
			check(tlog.CheckRecord(hashes, size, root, n, leaves[n]), "our inclusion of %d", n)
			inclusions++
		case "consistency":
			check(tlog.CheckTree(hashes, size, root, n, roots[n]), "our consistency with %d", n)
			consistencies++
		}
	}
	check(input.Err(), "proofs")
	fmt.Printf("ok: size %d, %d inclusions, %d consistencies\n", size, inclusions, consistencies)
}
