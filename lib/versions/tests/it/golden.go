// Writes what Masterminds/semver 3.5.0 says about each range and version: `go mod init x && go get
// github.com/Masterminds/semver/v3@v3.5.0 && go run golden.go > golden.tsv`. The first line has the versions, lowest first.
package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/Masterminds/semver/v3"
)

var versions = []string{"0.0.0", "0.0.1", "0.0.2", "0.1.0", "0.1.2", "0.2.0", "0.3.0-alpha.1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
	"1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "v1.0.1", "1.1.0", "1.2.0", "1.2.3-0", "1.2.3-rc.1", "1.2.3", "1.2.4",
	"1.3.0-rc.0", "1.3.0", "1.10.0", "2.0.0-0", "2.0.0", "2.1", "v3", "2025.02.03", "10.0.0-a-b.1"}

var rest = []string{"", "v", "1.2.3.4", "1.2.3-01", "1.2.3-", "1.2.3+", "a", "1.x", "01.1.1", "1..2", "1.2.3-a..b", "18446744073709551616.0.0", " 1.0.0", "1.2.3+a+b", "-1.0.0", "1.2.3-a_b", "V1.0.0"}

var bounds = []string{"0", "0.0", "0.0.0", "0.0.1", "0.1", "0.1.2", "1", "1.2", "1.2.3", "v1.2.3", "1.x", "1.X.x", "1.2.x", "*", "x", "1.*", "x.2.3", "1.x.3", "1.0.0-beta",
	"1.2.3-rc.1", "0-0", "*-0", "1-0", "1.2-0", "1.2.x-0", "2.0.0-0", "1.2.3+build", "2025.02.03", "01.2.3"}

var more = []string{"", " ", ">=1.0.0 <2", ">=1.0.0, <2.0.0", ">=1.0.0,<2.0.0", "1.0.0 - 1.2.3", "1 - 1.2", "1.0.0-alpha - 1.2", ">1 || 0.1.x", "~1.2 || ^0.0.1", "1.2.3 || 2.0.0 ||", "^1, !=1.2.3",
	">=1.0.0-0 <1.3.0", ">=1.0.0-0 || <0.2", "1.0.0 1.1.0", ">= 1.0.0 <= 1.2", ">1.0.0<2", "!=1.x", "a", "1.2.3.4", ">=", "1.0.0-", "1,2,", ",1", "1 , 2", "=>1 =<2", "~>1.2", "==1", "1|2", "1 -2", "1 - 2 - 3", "1.0.0 - 1.1.0 || 1.2.0 - 1.3.0", ">=1.0 - 2.0", "1.2.3-beta..1", ">1.2.3-rc.1 <2", "18446744073709551616", "1.2.3 \n", "99999999999999999999.x"}

func main() {
	sort.SliceStable(versions, func(i, j int) bool { return semver.MustParse(versions[i]).LessThan(semver.MustParse(versions[j])) })
	fmt.Println(strings.Join(versions, " "))
	for _, v := range rest {
		_, err := semver.NewVersion(v)
		fmt.Printf("%v\t%q\n", err == nil, v)
	}
	check := func(r string) {
		c, err := semver.NewConstraint(r)
		bits := ""
		if err != nil {
			bits = "invalid: " + err.Error()
		} else {
			for _, v := range versions {
				if c.Check(semver.MustParse(v)) {
					bits += "1"
				} else {
					bits += "0"
				}
			}
		}
		fmt.Printf("%s\t%q\n", bits, r)
	}
	for _, op := range []string{"", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"} {
		for i, b := range bounds {
			check(op + b)
			if i%5 == 0 {
				check(op + " " + b + " ")
			}
		}
	}
	for _, r := range more {
		check(r)
	}
}
