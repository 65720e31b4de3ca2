use super::*;
use crate::outbox::example;

const COMMIT_A: &str = "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35";

fn item(kind: &str, name: &str, severity: Severity, reason: &str, message: &str) -> Item {
    let mut item = example::item(name, name, reason, message);
    item.causes = cause::named(kind, "team", message);
    item.event.involved_object.kind = Some(kind.into());
    item.event.severity = severity;
    item.event.metadata = BTreeMap::new();
    item
}

fn at(mut item: Item, revision: &str) -> Item {
    item.event.metadata.insert(REVISION.into(), revision.into());
    item
}

fn waits(kind: &str, name: &str, on: &str) -> Item {
    let text = format!("dependency 'team/{on}' is not ready");
    item(kind, name, Severity::Info, "DependencyNotReady", &text)
}

fn fails(kind: &str, name: &str, reason: &str, text: &str) -> Item {
    item(kind, name, Severity::Error, reason, text)
}

/// The messages in groups, as a lane puts them: each joins all that it shares something with.
fn grouped(items: Vec<Item>) -> Vec<Vec<Arc<Item>>> {
    let mut groups: Vec<(Like, Vec<Arc<Item>>)> = Vec::new();
    for item in items {
        let mut like = Like::of(&item);
        let (mut joined, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(known, _)| known.shares(&like));
        let mut items: Vec<Arc<Item>> = joined.iter_mut().flat_map(|(_, items)| items.drain(..)).collect();
        joined.into_iter().for_each(|(known, _)| like.absorb(known));
        items.push(Arc::new(item));
        groups = others;
        groups.push((like, items));
    }
    groups.into_iter().map(|(_, items)| items).collect()
}

#[test]
fn forty_that_wait_for_one_are_one_message_with_it() {
    let mut items: Vec<Item> = (0..20)
        .map(|n| waits("Kustomization", &format!("app{n}"), "base"))
        .collect();
    // A chain: each waits for the one before it.
    items.extend((1..20).map(|n| waits("Kustomization", &format!("late{n}"), &format!("late{}", n - 1))));
    items.push(waits("Kustomization", "late0", "base"));
    items.insert(7, fails("Kustomization", "base", "BuildFailed", "no such file"));
    let groups = grouped(items);
    assert_eq!(groups.len(), 1);
    let item = together(&groups[0]).unwrap();
    assert_eq!(
        (item.event.name(), item.event.severity),
        ("base", Severity::Error)
    );
    assert!(
        item.event.message.starts_with(
            "41 objects because of Kustomization/team/base\n- Kustomization/team/base: BuildFailed: no such file\n\
             - Kustomization/team/app0: DependencyNotReady: dependency 'team/base' is not ready\n"
        ),
        "{}",
        item.event.message
    );
    assert!(item.event.message.ends_with("\n- and 21 more"));
}

#[test]
fn what_fails_at_one_revision_is_one_message_whatever_it_says() {
    let reasons = [
        "BuildFailed",
        "ReconciliationFailed",
        "HealthCheckFailed",
        "PruneFailed",
    ];
    let failure = |n: usize| {
        fails(
            "Kustomization",
            &format!("app{n}"),
            reasons[n % 4],
            &format!("text {n}"),
        )
    };
    let groups = grouped((0..40).map(|n| at(failure(n), COMMIT_A)).collect());
    assert_eq!(groups.len(), 1);
    let text = together(&groups[0]).unwrap().event.message;
    assert!(
        text.starts_with(&format!(
            "40 objects at {COMMIT_A}\n- Kustomization/team/app0: BuildFailed: text 0\n"
        )),
        "{text}"
    );
    // A version says nothing of where it is from, and the words of these differ.
    let versions = (0..4).map(|n| at(failure(n), "1.2.3")).collect();
    assert_eq!(grouped(versions).len(), 4);
    // What succeeds at the revision has nothing to do with what fails.
    let well = at(
        item("Kustomization", "app9", Severity::Info, "Progressing", "created"),
        COMMIT_A,
    );
    assert_eq!(grouped(vec![at(failure(0), COMMIT_A), well]).len(), 2);
}

#[test]
fn a_source_that_fails_is_one_message_with_whoever_names_it() {
    let chart = fails("HelmChart", "web", "ChartPullFailed", "no such chart");
    let release = |n: usize| {
        let text = "HelmChart 'team/web' is not ready: no such chart";
        fails("HelmRelease", &format!("web{n}"), "SourceNotReady", text)
    };
    let mut items: Vec<Item> = (0..40).map(release).collect();
    items.push(chart);
    // What applies them all fails for the first of them.
    let text = "health check failed after 2s: failed early due to stalled resources: [HelmRelease/team/web0 status: 'Failed']";
    items.push(at(
        fails("Kustomization", "apps", "HealthCheckFailed", text),
        COMMIT_A,
    ));
    let groups = grouped(items);
    assert_eq!(groups.len(), 1);
    let item = together(&groups[0]).unwrap();
    assert_eq!(
        (item.event.kind(), &*item.event.reason),
        ("HelmChart", "ChartPullFailed")
    );
    assert!(
        item.event
            .message
            .starts_with("42 objects because of HelmChart/team/web\n")
    );
}

#[test]
fn two_causes_are_two_messages() {
    let items = vec![
        fails("Kustomization", "one", "BuildFailed", "no such file"),
        waits("Kustomization", "one-a", "one"),
        waits("Kustomization", "two-a", "two"),
        fails("Kustomization", "two", "HealthCheckFailed", "timeout"),
        // Another alert's.
        Item {
            alert_uid: "b".into(),
            ..waits("Kustomization", "one-b", "one")
        },
    ];
    let sizes: Vec<usize> = grouped(items).iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn ends_of_failures_are_one_message() {
    let end = |kind: &str, name: &str, reason: &str| Item {
        ends_failure: true,
        ..item(kind, name, Severity::Info, reason, "finished")
    };
    let groups = grouped(vec![
        end("Kustomization", "a", "ReconciliationSucceeded"),
        end("HelmRelease", "b", "UpgradeSucceeded"),
        item(
            "Kustomization",
            "c",
            Severity::Info,
            "ReconciliationSucceeded",
            "finished",
        ),
    ]);
    assert_eq!(groups.len(), 2, "what was never told to fail is none");
    let text = together(&groups[0]).unwrap().event.message;
    assert!(
        text.starts_with(
            "2 objects are well again: finished\n- Kustomization/team/a: ReconciliationSucceeded\n"
        ),
        "{text}"
    );
}

#[test]
fn a_group_has_the_same_key_whatever_the_order_of_its_members() {
    let of = |keys: [&str; 3]| {
        let items = keys.map(|key| Arc::new(example::item(key, key, "R", "m")));
        together(&items).unwrap().key
    };
    assert_eq!(of(["1", "2", "3"]), of(["3", "1", "2"]));
    assert_ne!(of(["1", "2", "3"]), of(["1", "2", "4"]));
}
