// Writes what go-git 5.19.1 says about each pattern and path: `go mod init x && go get
// github.com/go-git/go-git/v5@v5.19.1 && go run golden.go > golden.tsv`.
package main

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

var paths = []string{"a", "a/", "b", "a/b", "a/b/", "a/b/c", "a/c/b", "c/a/b", "c/a/", "x.md", "x.md/", "a/x.md", "a/b/x.md", "ab", "a-b", "ä",
	"!a", "#a", "a b", "a ", "[a]", "a]", "*", "\\a", "c/a/b/d", "b/a/", "deep/a/b/c/d", "a.b.c", ".a", "A", "^", "-"}

var segments = []string{"a", "b", "*", "**", "?", "x.md", "*.md", "[a-c]", "[^a]", "[!a]", "[", "[]", "[a", "[a-]", "[-a]", "\\a", "\\", "\\*",
	"a**", "**b", "a*b", "*.*.*", "", "?b", "ä", "[ä-ü]", "[\\]a]", "[a]]", "a ", "a\\ ", " a", "#a", "\\#a", "\\!a", "[[]a[]]", ".*", "[^-]", "[\\-]"}

func main() {
	fmt.Println(strings.Join(paths, "\t"))
	check := func(pattern string) {
		if pattern == "" {
			return
		}
		p := gitignore.ParsePattern(pattern, nil)
		bits := ""
		for _, path := range paths {
			dir := strings.HasSuffix(path, "/")
			if p.Match(strings.Split(strings.TrimSuffix(path, "/"), "/"), dir) != gitignore.NoMatch {
				bits += "1"
			} else {
				bits += "0"
			}
		}
		fmt.Printf("%s\t%s\n", bits, pattern)
	}
	for i, s := range segments {
		check(s)
		check(s + "/")
		check("/" + s)
		check("/" + s + "/")
		check("**/" + s)
		check(s + "/**")
		check("a/" + s)
		check("**/" + s + "/b")
		check("a/**/" + s)
		check(s + "/" + segments[(i*7+3)%len(segments)])
		check("!" + s + "/")
		check(s + "//b")
		check("**/a/**/" + s + "/")
	}
}
