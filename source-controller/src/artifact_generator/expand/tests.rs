use super::*;
use crate::artifact_generator::allowance::Turn;

fn generator(pattern: &str, name: &str) -> ArtifactGenerator {
    let from = format!("{pattern}/**");
    let spec = ArtifactGeneratorSpec {
        path_pattern: pattern.to_owned(),
        artifacts: vec![OutputArtifact {
            name: name.to_owned(),
            copy: vec![CopyOperation {
                from,
                to: "@artifact/".to_owned(),
                ..CopyOperation::default()
            }],
            ..OutputArtifact::default()
        }],
        ..ArtifactGeneratorSpec::default()
    };
    ArtifactGenerator::new("parts", spec)
}

fn tree<P: AsRef<str>>(directories: impl IntoIterator<Item = P>) -> BTreeMap<String, Tree> {
    let files = directories
        .into_iter()
        .map(|path| (format!("{}/file", path.as_ref()), Vec::new()));
    [("repo".to_owned(), Tree::from_files(files).unwrap())].into()
}

fn check(pattern: &str, name: &str, paths: &[&str], expected: Result<&[(&str, &str)], &str>) {
    let object = generator(pattern, name);
    let made = expand(&object, &tree(paths), &Allowance::new(Turn::default()));
    match (made, expected) {
        (Ok(plan), Ok(expected)) => {
            let made: Vec<(String, String)> = plan
                .wanted()
                .iter()
                .map(|wanted| {
                    let rendered = plan.render(&object.spec, wanted).unwrap().artifact;
                    assert_eq!(rendered.name, wanted.name);
                    (rendered.name, rendered.copy[0].from.clone())
                })
                .collect();
            let made: Vec<(&str, &str)> = made.iter().map(|(name, from)| (&**name, &**from)).collect();
            assert_eq!(made, expected, "{pattern}");
        }
        (Err(error), Err(expected)) => {
            assert_eq!(
                error.to_string(),
                format!("failed to expand path pattern: pathPattern \"{pattern}\": {expected}")
            );
        }
        (made, _) => panic!("{pattern}: {made:?}"),
    }
}

/// However large the spec is, what is held of an artifact is its name and its directory.
#[test]
fn what_is_held_does_not_grow_with_the_spec() {
    let mut object = generator("@repo/apps/{app}", "{app}");
    let copy = object.spec.artifacts[0].copy[0].clone();
    object.spec.artifacts[0].copy = vec![copy; 1000];
    let sources = tree((0..500).map(|number| format!("apps/app-{number}")));
    let plan = expand(&object, &sources, &Allowance::new(Turn::default())).unwrap();
    assert_eq!(plan.wanted().len(), 500);
    for wanted in plan.wanted() {
        // A field that holds copies does not pass here.
        let Wanted {
            name,
            artifact: 0,
            directory,
        } = wanted
        else {
            panic!("{wanted:?}");
        };
        assert!(name.len() + directory.len() < 30, "{wanted:?}");
    }
    let last = plan.render(&object.spec, &plan.wanted()[499]).unwrap();
    assert_eq!(last.artifact.copy.len(), 1000);
    assert!(
        last.artifact
            .copy
            .iter()
            .all(|copy| copy.from == "@repo/apps/app-99/**")
    );
    assert_eq!(last.labels["app"], "app-99");
}

#[test]
fn more_than_the_object_can_tell_of_is_refused() {
    let told = |object: &ArtifactGenerator, count: usize| {
        let sources = tree((0..count).map(|number| format!("apps/{number:0>60}")));
        expand(object, &sources, &Allowance::new(Turn::default()))
            .map(|plan| plan.wanted().len())
            .map_err(|error| error.to_string())
    };
    let mut object = generator("@repo/apps/{app}", "{app}");
    assert_eq!(told(&object, 3000), Ok(3000));
    let refused = told(&object, 5000).unwrap_err();
    assert!(refused.contains("more than 1310720 bytes together"), "{refused}");
    // The spec is in the same object.
    object.spec.artifacts[0].copy[0].exclude = vec!["x".repeat(1000); 1000];
    assert!(told(&object, 3000).is_err());
}

#[test]
fn the_work_of_comparing_directories_is_bounded() {
    let object = generator("@repo/{a}-{b}-{c}/{d}", "{a}");
    let sources = tree((0..100).map(|number| format!("{number}/{}", "a-".repeat(50))));
    let allowance = |most| Allowance::but(Cost::Compared, most);
    assert!(expand(&object, &sources, &allowance(1_000_000)).is_ok());
    let refused = expand(&object, &sources, &allowance(100_000)).unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("more than 100000 comparisons"), "{refused}");
}

#[test]
fn each_directory_makes_its_artifacts() {
    let paths = ["apps/Web/envs/prod", "apps/web-2/envs/dev", "apps/web-2/other"];
    check(
        "@repo/apps/{app}/envs/{env}",
        "{app}-{env}",
        &paths,
        Ok(&[
            ("web-prod", "@repo/apps/Web/envs/prod/**"),
            ("web-2-dev", "@repo/apps/web-2/envs/dev/**"),
        ]),
    );
    check(
        "@repo/apps/{a}-{n}",
        "x-{n}",
        &paths,
        Ok(&[("x-2", "@repo/apps/web-2/**")]),
    );
    check("@repo/none/{app}", "{app}", &paths, Ok(&[]));
}

#[test]
fn what_makes_no_artifacts_is_told() {
    let one = |pattern, name, paths: &[&str], expected| check(pattern, name, paths, Err(expected));
    one(
        "@repo/{a",
        "x",
        &["a"],
        "\"{a\" has a brace without its other half",
    );
    one(
        "@repo/a}",
        "x",
        &["a"],
        "\"a}\" has a brace without its other half",
    );
    one(
        "@repo/{1a}",
        "x",
        &["a"],
        "capture variable \"1a\" must match [A-Za-z_][A-Za-z0-9_]*",
    );
    one("@repo/{a}/{a}", "x", &["a/b"], "duplicate capture variable \"a\"");
    one("@other/{a}", "x", &["a"], "source alias other not found");
    one(
        "@repo/{a}",
        "{b}",
        &["a"],
        "failed to render artifact {b} for match a: capture variable \"b\" is not defined by pathPattern",
    );
    one(
        "@repo/{a}",
        "{a}",
        &[".hidden"],
        "captured value \".hidden\" for variable \"a\" is not a valid Kubernetes label value",
    );
    one(
        "@repo/{a}",
        "{a}",
        &["a_b"],
        "rendered artifact name \"a_b\" is not a valid Kubernetes object name",
    );
    one(
        "@repo/{a}",
        "{a}",
        &["Auth", "auth"],
        "directories \"Auth\" and \"auth\" both resolve to artifact name \"auth\"",
    );
}
