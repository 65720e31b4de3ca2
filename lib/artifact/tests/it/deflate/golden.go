// Writes the golden digests of tests/it/deflate.rs: what Go's gzip makes of generated inputs, written in pieces.
// Run it with `go run golden.go > golden.tsv`.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
)

// A small generator that the Rust test repeats exactly.
type dice uint64

func (d *dice) next() uint64 {
	x := uint64(*d)
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*d = dice(x)
	return x
}

var words = []string{"apiVersion: ", "kind: ", "metadata:\n", "  name: ", "spec:\n", "replicas: ", "\n", "containers:\n", "- image: ", "a", "b", "0", "1"}

// Each kind of input is a mix of what a byte stream can have: noise, text, runs, copies from near and far.
func input(kind string, size int, d *dice) []byte {
	out := make([]byte, 0, size+600)
	for len(out) < size {
		choice := uint64(0)
		switch kind {
		case "zero":
			choice = 3
		case "noise":
			choice = 0
		case "text":
			choice = 1
		case "small":
			choice = 2
		case "copies":
			choice = 4 + d.next()%2
			if d.next()%8 == 0 {
				choice = 0
			}
		case "mix":
			choice = d.next() % 6
		}
		n := 1 + int(d.next()%300)
		switch choice {
		case 0: // noise
			for i := 0; i < n; i++ {
				out = append(out, byte(d.next()>>32))
			}
		case 1: // words
			out = append(out, words[d.next()%uint64(len(words))]...)
		case 2: // noise of few symbols
			for i := 0; i < n; i++ {
				out = append(out, 'a'+byte((d.next()>>32)%7))
			}
		case 3: // a run
			b := byte(0)
			if kind != "zero" {
				b = byte(d.next() >> 32)
			}
			for i := 0; i < n; i++ {
				out = append(out, b)
			}
		default: // a copy, from near or from anywhere within reach
			if len(out) == 0 {
				out = append(out, 'x')
				continue
			}
			reach := 33000
			if choice == 4 {
				reach = 600
			}
			if reach > len(out) {
				reach = len(out)
			}
			from := len(out) - 1 - int(d.next()%uint64(reach))
			for i := 0; i < n; i++ {
				out = append(out, out[from+i])
			}
		}
	}
	return out[:size]
}

func main() {
	sizes := []int{0, 1, 3, 4, 5, 100, 4096, 32768, 65535, 65536, 65537, 100000, 300000, 1100000}
	for _, kind := range []string{"zero", "noise", "text", "small", "copies", "mix"} {
		for _, size := range sizes {
			for _, piece := range []string{"whole", "512", "32768", "odd"} {
				if size > 100000 && (piece == "whole" || piece == "512") {
					continue
				}
				d := dice(uint64(size)*7919 + 88172645463325252)
				data := input(kind, size, &d)
				var buf bytes.Buffer
				w := gzip.NewWriter(&buf)
				for len(data) > 0 {
					n := len(data)
					switch piece {
					case "512":
						n = 512
					case "32768":
						n = 32768
					case "odd":
						n = 1 + int(d.next()%20000)
					}
					if n > len(data) {
						n = len(data)
					}
					w.Write(data[:n])
					data = data[n:]
				}
				w.Close()
				fmt.Printf("%s\t%d\t%s\t%d\t%x\n", kind, size, piece, buf.Len(), sha256.Sum256(buf.Bytes()))
			}
		}
	}
}
