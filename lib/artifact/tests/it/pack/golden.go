// Prints the golden digest of `names_that_need_pax` in tests/it/pack.rs: the same entries by Go's archive/tar and
// compress/gzip, with the header fields that Flux sets. Run it with `go run golden.go`.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"time"
)

func main() {
	var out bytes.Buffer
	gw := gzip.NewWriter(&out)
	tw := tar.NewWriter(gw)
	add := func(name string, mode int64, body []byte) {
		h := &tar.Header{Name: name, Mode: mode, Typeflag: tar.TypeReg, Size: int64(len(body)), ModTime: time.Time{}}
		if body == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := tw.WriteHeader(h); err != nil {
			panic(err)
		}
		if body != nil {
			io.Copy(tw, struct{ io.Reader }{bytes.NewReader(body)})
		}
	}
	d, f := strings.Repeat("d", 120), strings.Repeat("f", 130)
	e, g := strings.Repeat("e", 99), strings.Repeat("g", 120)
	add(".", 0o750, nil)
	add(d, 0o750, nil)
	add(d+"/"+f, 0o700, bytes.Repeat([]byte{7}, 70000))
	add(e, 0o750, nil)
	add(e+"/"+g, 0o600, []byte("cut at the slash"))
	add("empty", 0o600, []byte{})
	add("hollow", 0o750, nil)
	add("hollow/inside", 0o750, nil)
	add(strings.Repeat("s", 100)+"x", 0o750, nil)
	add(strings.Repeat("s", 100)+"x/y", 0o600, []byte("fits when split"))
	add("ünï", 0o750, nil)
	add("ünï/cödé", 0o600, []byte("x"))
	tw.Close()
	gw.Close()
	fmt.Printf("%d sha256:%x\n", out.Len(), sha256.Sum256(out.Bytes()))
}
