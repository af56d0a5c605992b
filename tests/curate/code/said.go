// Command said reads the names of Go files and writes a line for each: "!" where it does not parse, else the byte offsets of
// what its strings, characters, comments and numbers say, as pairs, delimiters of strings and comments left out.
package main

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"strings"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, name := range os.Args[1:] {
		fmt.Fprintln(out, said(name))
	}
}

func said(name string) string {
	source, err := os.ReadFile(name)
	if err != nil {
		return "!"
	}
	if _, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return "!"
	}
	files := token.NewFileSet()
	file := files.AddFile(name, files.Base(), len(source))
	var read scanner.Scanner
	read.Init(file, source, nil, scanner.ScanComments)
	var pairs []string
	for {
		at, kind, text := read.Scan()
		start := file.Offset(at)
		end := start + len(text)
		switch kind {
		case token.EOF:
			return strings.Join(pairs, " ")
		case token.STRING, token.CHAR:
			start, end = start+1, end-1
		case token.COMMENT:
			start += 2
			if strings.HasPrefix(text, "/*") {
				end -= 2
			}
		case token.INT, token.FLOAT, token.IMAG:
		default:
			continue
		}
		pairs = append(pairs, fmt.Sprint(start, " ", end))
	}
}
