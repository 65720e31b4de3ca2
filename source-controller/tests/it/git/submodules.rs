//! Repositories inside repositories, to any honest depth, and never with credentials for another host.

use source_controller::git::{Auth, Reference, Request};

use super::origin::{Origin, Work, chain, login, respond, serve};

fn add(work: &Work, url: &str, source: &Work, path: &str) {
    work.git(&["submodule", "--quiet", "add", source.bare.to_str().unwrap(), path]);
    work.git(&[
        "config",
        "-f",
        ".gitmodules",
        &format!("submodule.{path}.url"),
        url,
    ]);
    work.commit(&[]);
}

fn files(origin: &Origin, request: &Request) -> Result<Vec<String>, String> {
    let checkout = origin.mirrors.fetch(request).map_err(|error| chain(&error))?;
    let listing = checkout.listing(&[]).map_err(|error| chain(&error))?;
    Ok(listing
        .paths()
        .map(|(path, dir)| format!("{}{}", String::from_utf8_lossy(path), if dir { "/" } else { "" }))
        .collect())
}

#[test]
fn followed() {
    let origin = Origin::new();
    let (top, middle, leaf) = (
        origin.repository("top"),
        origin.repository("middle"),
        origin.repository("leaf"),
    );
    leaf.commit(&[("leaf.yaml", "1"), ("dir/x", "1")]);
    add(&middle, "../leaf.git", &leaf, "deep/leaf");
    top.commit(&[("a", "1"), ("sub.yaml", "1")]);
    add(&top, &format!("{}/middle.git", origin.address), &middle, "sub");
    leaf.commit(&[("later", "not pinned")]);

    let plain = origin.request("top", Reference::Branch("main".to_owned()));
    assert_eq!(
        files(&origin, &plain),
        Ok(["..gitmodules", "a", "sub/", "sub.yaml"]
            .map(|path| path.trim_start_matches("..").replace("gitmodules", ".gitmodules"))
            .to_vec())
    );
    let recursive = Request {
        recurse_submodules: true,
        ..plain
    };
    let expected = [
        ".gitmodules",
        "a",
        "sub/",
        "sub/.gitmodules",
        "sub/deep/",
        "sub/deep/leaf/",
        "sub/deep/leaf/dir/",
        "sub/deep/leaf/dir/x",
        "sub/deep/leaf/leaf.yaml",
        "sub.yaml",
    ];
    assert_eq!(
        files(&origin, &recursive),
        Ok(expected.map(str::to_owned).to_vec())
    );
    let checkout = origin.mirrors.fetch(&recursive).unwrap();
    let bytes = artifact::pack(checkout.listing(&[]).unwrap().entries(), Vec::new()).unwrap();
    let tree = artifact::unpack(bytes.as_slice(), &artifact::Limits::default()).unwrap();
    assert_eq!(tree.file("sub/deep/leaf/dir/x").unwrap().bytes(), b"1");
}

#[test]
fn refused() {
    let origin = Origin::new();
    let (top, leaf) = (origin.repository("top"), origin.repository("leaf"));
    leaf.commit(&[("leaf", "1")]);
    add(&top, "../leaf.git", &leaf, "sub");
    let recursive = |auth: Auth, name: &str| Request {
        recurse_submodules: true,
        auth,
        ..origin.request(name, Reference::Branch("main".to_owned()))
    };
    let set = |url: &str| {
        top.git(&["config", "-f", ".gitmodules", "submodule.sub.url", url]);
        top.commit(&[]);
    };
    let failed = "failed to checkout and determine revision";
    for url in [
        "file:///etc",
        "ext::sh -c true",
        "-u./x",
        "/etc",
        "ssh://-oProxyCommand=x/y",
    ] {
        set(url);
        let error = files(&origin, &recursive(Auth::anonymous(), "top")).unwrap_err();
        assert_eq!(
            error,
            format!("{failed}: submodule 'sub' has no usable URL"),
            "{url}"
        );
    }
    set("../gone.git");
    let error = files(&origin, &recursive(Auth::anonymous(), "top")).unwrap_err();
    let expected = format!(
        "{failed}: unable to clone submodule 'sub': {failed}: unable to clone '{}/gone.git': repository not found: ",
        origin.address
    );
    assert_eq!(error, expected);

    // CVE-2026-71556 and its kin: a password goes to the host that it is for.
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let elsewhere = serve(move |request, stream| {
        seen.lock()
            .unwrap()
            .push(request.headers.get("authorization").cloned());
        respond(stream, "401 Unauthorized", &[], b"who are you");
    });
    set(&format!("{elsewhere}/leaf.git"));
    let url = format!("{}/private/top.git", origin.address);
    let auth = login(&url, &[("username", "user"), ("password", "right")]);
    let error = files(&origin, &recursive(auth.clone(), "private/top")).unwrap_err();
    assert!(error.ends_with("authentication required: who are you"), "{error}");
    assert_eq!(*asked.lock().unwrap(), [None]);
    set("../leaf.git");
    assert!(
        files(&origin, &recursive(auth, "private/top"))
            .unwrap()
            .contains(&"sub/leaf".to_owned())
    );
}

#[test]
fn nested_without_end() {
    let origin = Origin::new();
    let work = origin.repository("r0");
    work.commit(&[("a", "1")]);
    let mut inner = work;
    for depth in 1..=12 {
        let outer = origin.repository(&format!("r{depth}"));
        add(&outer, &format!("../r{}.git", depth - 1), &inner, "s");
        inner = outer;
    }
    let request = |name: &str| Request {
        recurse_submodules: true,
        ..origin.request(name, Reference::Branch("main".to_owned()))
    };
    assert!(
        files(&origin, &request("r10"))
            .unwrap()
            .last()
            .unwrap()
            .ends_with("/a")
    );
    let error = files(&origin, &request("r11")).unwrap_err();
    assert!(error.ends_with("submodules are nested deeper than 10"), "{error}");
}

/// Each brings two of the next: their number doubles with each level, and is bounded in all.
#[test]
fn more_than_anybody_needs() {
    let origin = Origin::new();
    let work = origin.repository("r0");
    work.commit(&[("a", "1")]);
    let mut inner = work;
    for level in 1..=10 {
        let outer = origin.repository(&format!("r{level}"));
        let url = format!("../r{}.git", level - 1);
        add(&outer, &url, &inner, "s");
        add(&outer, &url, &inner, "t");
        inner = outer;
    }
    let request = Request {
        recurse_submodules: true,
        ..origin.request("r10", Reference::Branch("main".to_owned()))
    };
    let error = files(&origin, &request).unwrap_err();
    assert!(error.ends_with("more than 1000 submodules"), "{error}");
}

#[test]
fn a_list_that_is_too_large_is_not_read() {
    let origin = Origin::new();
    let work = origin.repository("large");
    work.commit(&[(".gitmodules", &" ".repeat((1 << 20) + 1))]);
    let request = Request {
        recurse_submodules: true,
        ..origin.request("large", Reference::Branch("main".to_owned()))
    };
    let error = files(&origin, &request).unwrap_err();
    assert!(error.contains(".gitmodules"), "{error}");
}
