//! No chart makes a rendering run without end, fill the memory, overflow the stack or reach outside.

use crate::cli;
use helm::{ArchiveLimits, Chart, Environment, Error, File, Limits, Options, values};
use serde_json::{Map, Value, json};
use std::time::Instant;

struct Nothing;

impl Environment for Nothing {
    fn now(&self) -> (i64, u32) {
        (1_700_000_000, 0)
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

pub fn chart(files: &[(&str, &str)]) -> Result<Chart, Error> {
    let mut all = vec![File::new("Chart.yaml", "name: c\nversion: 1.0.0\n")];
    all.extend(files.iter().map(|(name, text)| File::new(*name, text)));
    Chart::from_files(all)
}

pub fn render(files: &[(&str, &str)], given: Value) -> Result<String, Error> {
    let limits = Limits {
        steps: 3_000_000,
        bytes: 64 << 20,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let given = given.as_object().cloned().unwrap_or_default();
    helm::render(&chart(files)?, &given, &options, &Nothing).map(|rendered| rendered.manifest(false))
}

/// The template is given up for a reason that has `expected` in it, within seconds.
fn check(template: &str, expected: &str) {
    let begin = Instant::now();
    let result = render(&[("templates/a.yaml", template)], json!({}));
    let text = match result {
        Ok(text) => format!("rendered: {}", text.chars().take(200).collect::<String>()),
        Err(error) => error.to_string(),
    };
    assert!(
        text.contains(expected),
        "{template}: {}",
        text.chars().take(300).collect::<String>()
    );
    assert!(
        begin.elapsed().as_secs() < 60,
        "{template} took {:?}",
        begin.elapsed()
    );
}

#[test]
fn loops_and_growth_are_given_up() {
    let doubling = "{{ $x := \"aaaaaaaa\" }}{{ range until 60 }}{{ $x = print $x $x }}{{ end }}";
    check(doubling, "bytes of text");
    check("{{ range until 2000000000 }}x{{ end }}", "steps");
    check("{{ range 9000000000 }}{{ end }}", "steps");
    check("{{ untilStep 0 9000000000000000000 1 | len }}", "steps");
    check("{{ seq 1 1000000000 | len }}", "steps");
    check("{{ repeat 1000000000 \"abc\" | len }}", "bytes of text");
    check("{{ indent 1000000000 \"a\" | len }}", "bytes of text");
    check(
        "{{ replace \"\" (repeat 100000 \"x\") (repeat 100000 \"y\") | len }}",
        "bytes of text",
    );
    check(
        "{{ regexReplaceAll \"\" (repeat 100000 \"x\") (repeat 100000 \"y\") | len }}",
        "",
    );
    check("{{ randAlphaNum 1000000000 | len }}", "bytes of text");
    check(
        "{{ wrapWith 1 (repeat 100000 \"x\") (repeat 100000 \"y\") | len }}",
        "bytes of text",
    );
    check(
        "{{ $l := list 1 }}{{ range until 60 }}{{ $l = concat $l $l }}{{ end }}",
        "steps",
    );
    check(
        "{{ range until 1000 }}{{ $_ := genPrivateKey \"ecdsa\" }}{{ end }}",
        "steps",
    );
    check("{{ range until 1000 }}{{ $_ := bcrypt \"x\" }}{{ end }}", "steps");
    check("{{ mulf 1e300 1e300 1e300 1e300 }}", "");
    check("{{ printf \"%1000000000d\" 1 | len }}", "");
    check(
        "{{ $c := regexMatch \"((a{1,100}){1,100}){1,100}\" \"a\" }}{{ $c }}",
        "",
    );
    check(
        "{{ mustRegexMatch \"((a{1,100}){1,100}){1,100}\" \"a\" }}",
        "expression too large",
    );
}

/// `.Files.Get "big"` is 5 MiB of this.
fn check_with(unit: &str, template: &str, expected: &str) {
    let begin = Instant::now();
    let big = unit.repeat((5 << 20) / unit.len());
    let big = format!("[{}0]", big);
    let result = render(&[("big", &big), ("templates/a.yaml", template)], json!({}));
    let text = match result {
        Ok(text) => format!("rendered: {}", text.chars().take(200).collect::<String>()),
        Err(error) => error.to_string(),
    };
    assert!(text.contains(expected), "{template}: {text:.300}");
    assert!(
        begin.elapsed().as_secs() < 60,
        "{template} took {:?}",
        begin.elapsed()
    );
}

#[test]
fn what_is_made_of_text_is_counted() {
    for parse in ["fromJsonArray", "mustFromJson", "fromYamlArray", "fromToml"] {
        let keep = format!(
            "{{{{ $d := dict }}}}{{{{ $b := .Files.Get \"big\" }}}}{{{{ range $i := until 1000 }}}}{{{{ $_ := set $d (toString $i) ({parse} $b) }}}}{{{{ end }}}}"
        );
        check_with("0,", &keep, "rendering");
    }
    for look in [
        "contains \"zz\" $b",
        "sha256sum $b",
        "regexMatch \"zz\" $b",
        "hasSuffix \"zz\" $b",
        "eq $b \"x\"",
        "trim $b",
        "splitList \"zz\" $b",
        "atoi $b",
        "b64enc $b",
        "lower $b",
        "adler32sum $b",
    ] {
        let again = format!(
            "{{{{ $b := .Files.Get \"big\" }}}}{{{{ range until 100000 }}}}{{{{ $_ := {look} }}}}{{{{ end }}}}"
        );
        check_with("0,", &again, "rendering");
    }
    // Expressions that are all braces or quotes are read once, not once for each of them.
    for part in ["}", "{", "{}", "\\\\Q\\\\E", "\\\\Q", "[", "\\\\p{"] {
        let pattern = format!("# {{{{ regexMatch (repeat 300000 \"{part}\") \"x\" }}}}");
        check(&pattern, "rende");
    }
    let search =
        "{{ $b := .Files.Get \"big\" }}{{ $n := print (trunc 2000000 $b) \"x\" }}# {{ contains $n $b }}";
    check_with("0,", search, "rendered: ");
}

#[test]
fn what_holds_itself_many_times_is_counted_as_often() {
    let twice = "{{ $l := list \"x\" }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}";
    for write in [
        "toJson $l",
        "toYaml $l",
        "toYamlPretty $l",
        "toToml (dict \"a\" $l)",
        "print $l",
        "printf \"%v\" $l",
        "$l",
        "toString $l",
        "quote $l",
        "cat $l",
        "join \",\" $l",
        "deepCopy $l",
        "mustToPrettyJson $l",
        "html $l",
        "toRawJson $l",
    ] {
        check(
            &format!("{twice}{{{{ $x := {write} }}}}{{{{ $x }}}}"),
            "rendering takes more",
        );
    }
    let maps = "{{ $m := dict }}{{ range until 60 }}{{ $m = dict \"a\" $m \"b\" $m }}{{ end }}";
    check(&format!("{maps}{{{{ toYaml $m }}}}"), "rendering takes more");
    check(
        "{{ range until 1000000 }}{{ $_ := lookup \"v1\" \"Pod\" \"\" \"\" }}{{ end }}",
        "steps",
    );
}

#[test]
fn nesting_is_given_up() {
    check(
        "{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
        "nested deeper",
    );
    check(
        "{{ define \"y\" }}{{ tpl \"{{ include \\\"y\\\" . }}\" . }}{{ end }}{{ include \"y\" . }}",
        "nested",
    );
    check(
        "{{ $l := list }}{{ range until 100000 }}{{ $l = list $l }}{{ end }}# {{ toJson $l | len }}",
        "rendered",
    );
    check(
        "{{ $l := list }}{{ range until 100000 }}{{ $l = list $l }}{{ end }}{{ $l }}",
        "nested deeper",
    );
    check(
        "{{ $l := list }}{{ range until 100000 }}{{ $l = list $l }}{{ end }}{{ deepEqual $l (deepCopy $l) }}",
        "nested deeper",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}",
        "nested deeper",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}x: {{ toJson $d | quote }}{{ toYaml $d }}",
        "rendered",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $_ := merge $d (dict \"d\" $d) }}ok: 1",
        "rendered",
    );
    check(
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toYamlPretty $d }}{{ toToml $d }}",
        "nested",
    );
    check(
        &format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)),
        "max expression depth",
    );
    check(&"{{ if true }}".repeat(20_000), "max expression depth");
    check(
        &format!("# {{{{ {}1{} }}}}", "(".repeat(9_000), ")".repeat(9_000)),
        "rendered",
    );
    check("{{ fromYaml (printf \"%s\" (repeat 100000 \"[\")) }}", "");
    check("{{ fromJson (repeat 1000000 \"[\") }}", "");
    check(&format!("a: {}", "[".repeat(100_000)), "exceeded max depth");
}

#[test]
fn values_schemas_and_expressions_are_bounded() {
    let schema = r##"{"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}"##;
    let error = render(&[("values.schema.json", schema)], json!({}))
        .unwrap_err()
        .to_string();
    assert!(error.contains("schema takes too long"), "{error}");
    let nested = format!(
        "{}{}",
        "{\"not\":".repeat(400),
        "true".to_string() + &"}".repeat(400)
    );
    assert!(render(&[("values.schema.json", &nested)], json!({})).is_err());
    let remote = r#"{"$ref": "https://example.com/x.json"}"#;
    let error = render(&[("values.schema.json", remote)], json!({}))
        .unwrap_err()
        .to_string();
    assert!(error.contains("schemas are not fetched"), "{error}");
    let mut given = Map::new();
    for expression in [
        "a[9999999999]=1",
        "a[65537]=1",
        &format!("{}a=1", "a.".repeat(40)),
        &format!("a{}=1", "[0]".repeat(90)),
    ] {
        assert!(
            values::set(&mut given, expression, values::SetKind::Typed).is_err(),
            "{expression}"
        );
    }
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    assert!(
        chart(&[("values.yaml", bomb)])
            .unwrap_err()
            .to_string()
            .contains("excessive aliasing")
    );
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let mut tar = tar::Builder::new(Vec::new());
    for (name, data) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *data).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn archives_cannot_reach_outside_or_grow() {
    let about: &[u8] = b"name: c\nversion: 1.0.0\n";
    let small = ArchiveLimits {
        bytes: 3 << 20,
        ..ArchiveLimits::default()
    };
    let load = |entries: &[(&str, &[u8])]| {
        Chart::from_archive(&archive(entries), &small)
            .map(|chart| chart.name().to_string())
            .map_err(|error| error.to_string())
    };
    assert_eq!(load(&[("c/Chart.yaml", about)]), Ok("c".into()));
    for (entry, error) in [
        ("c//etc/passwd", "absolute paths"),
        ("c/../../x", "parent directory"),
        ("c/c:/x", "illegally named"),
        ("Chart.yaml", "outside the base directory"),
        ("c\\..\\..\\x", "parent directory"),
    ] {
        let result = load(&[("c/Chart.yaml", about), (entry, b"x")]);
        assert!(
            result.as_ref().is_err_and(|text| text.contains(error)),
            "{entry}: {result:?}"
        );
    }
    let large = vec![0; 2 << 20];
    let result = load(&[("c/Chart.yaml", about), ("c/a", &large), ("c/b", &large)]);
    assert!(
        result
            .as_ref()
            .is_err_and(|text| text.contains("larger than the maximum size")),
        "{result:?}"
    );
    let result = Chart::from_archive(
        &archive(&[("c/Chart.yaml", about), ("c/a", &vec![0; (5 << 20) + 1])]),
        &ArchiveLimits::default(),
    );
    let error = result.unwrap_err().to_string();
    assert_eq!(
        error,
        "decompressed chart file \"c/a\" is larger than the maximum file size 5242880"
    );
    let mut inner = archive(&[("c/Chart.yaml", about)]);
    for _ in 0..60 {
        inner = archive(&[("c/Chart.yaml", about), ("c/charts/c.tgz", &inner)]);
    }
    let error = Chart::from_archive(&inner, &ArchiveLimits::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("nested deeper"), "{error}");
    for bytes in [&b""[..], b"not gzip", &archive(&[])[..]] {
        assert!(Chart::from_archive(bytes, &ArchiveLimits::default()).is_err());
    }
}

#[test]
fn templates_see_nothing_of_the_machine() {
    for template in ["{{ env \"HOME\" }}", "{{ expandenv \"$HOME\" }}"] {
        check(template, "not defined");
    }
    check("# {{ getHostByName \"localhost\" | quote }}", "# \"\"");
    check(
        "# {{ .Files.Get \"../../../etc/passwd\" | quote }}{{ .Files.Get \"/etc/passwd\" | quote }}",
        "# \"\"\"\"",
    );
    check(
        "# {{ now | date \"2006-01-02\" }} {{ randAlpha 3 }} {{ len (lookup \"v1\" \"Secret\" \"a\" \"b\") }}",
        "# 2023-11-14 HHH 0",
    );
    assert!(cli::run(vec!["/nowhere".into()]).is_err());
}

#[test]
fn a_release_has_a_name_that_can_be_one() {
    let check = |name: &str| {
        let options = Options {
            name: name.to_string(),
            ..Options::default()
        };
        helm::render(&chart(&[]).unwrap(), &Map::new(), &options, &Nothing).map_err(|error| error.to_string())
    };
    for name in ["a", "a.b", "a-b.0", &"a".repeat(53)] {
        assert!(check(name).is_ok(), "{name}");
    }
    for name in ["A", "a_b", "-a", "a-", "a..b", ".a", &"a".repeat(54)] {
        let error = check(name).unwrap_err();
        assert!(
            error.starts_with(&format!(
                "release name check failed: release name \"{name}\": invalid"
            )),
            "{error}"
        );
    }
    assert_eq!(
        check("").unwrap_err(),
        "release name check failed: release name \"\": no name provided"
    );
}
