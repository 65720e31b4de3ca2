use super::*;

fn key(namespace: &str, name: &str) -> Key {
    Key::new(namespace, name)
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns() {
    let queue = Queue::default();
    for n in ["1", "2", "3"] {
        queue.add(key("big", n));
    }
    queue.add(key("small", "1"));
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(queue.next().await.to_string());
    }
    assert_eq!(order, ["big/1", "small/1", "big/2", "big/3"]);
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_running_is_not_overlooked_for_long() {
    let (queue, patience) = (Queue::default(), Duration::from_secs(5));
    for n in ["1", "2", "3"] {
        queue.add(key("big", n));
    }
    let running = [queue.next().await, queue.next().await];
    queue.add(key("small", "1"));
    queue.add(key("small", "2"));
    queue.add_after(key("late", "1"), Duration::from_secs(2));
    assert_eq!(queue.overlooked(patience), None, "nobody has waited yet");
    tokio::time::advance(patience).await;
    let found = queue.overlooked(patience);
    assert_eq!(found, Some(key("small", "1")), "the big one is worked on");
    assert_eq!(queue.overlooked(patience), None, "and so is the small one now");
    tokio::time::advance(patience).await;
    assert_eq!(queue.overlooked(patience), Some(key("late", "1")));
    for key in &running {
        queue.done(key);
    }
    assert_eq!(queue.overlooked(patience), Some(key("big", "3")));
    queue.done(&key("small", "1"));
    assert_eq!(queue.overlooked(patience), Some(key("small", "2")));
    assert_eq!(queue.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_pass_at_a_time_and_again_when_added_meanwhile() {
    let queue = Queue::default();
    queue.add(key("a", "1"));
    queue.add(key("a", "1"));
    let first = queue.next().await;
    queue.add(key("a", "1"));
    assert_eq!(queue.depth(), 0);
    queue.done(&first);
    assert_eq!(queue.next().await, first);
    queue.done(&first);
    assert!(
        tokio::time::timeout(Duration::from_secs(9), queue.next())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn delayed_until_due_or_added() {
    let queue = Queue::default();
    let begin = Instant::now();
    queue.add_after(key("a", "late"), Duration::from_secs(60));
    queue.add_after(key("a", "soon"), Duration::from_secs(5));
    queue.add_after(key("a", "soon"), Duration::from_secs(50));
    queue.add_after(key("a", "now"), Duration::from_secs(5));
    queue.add(key("a", "now"));
    assert_eq!(queue.next().await.name, "now");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(queue.next().await.name, "soon");
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    assert_eq!(queue.next().await.name, "late");
    assert_eq!(begin.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn delayed_while_running_comes_later() {
    let queue = Queue::default();
    queue.add(key("a", "1"));
    let running = queue.next().await;
    queue.add_after(running.clone(), Duration::from_secs(3));
    queue.done(&running);
    let begin = Instant::now();
    assert_eq!(queue.next().await, running);
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn forgotten_objects_do_not_come_back() {
    let queue = Queue::default();
    queue.add_after(key("a", "1"), Duration::from_secs(1));
    queue.forget(&key("a", "1"));
    assert!(
        tokio::time::timeout(Duration::from_secs(9), queue.next())
            .await
            .is_err()
    );
    // Nothing is left of one that went while it was worked on.
    queue.add(key("a", "2"));
    let running = queue.next().await;
    queue.failed(&running);
    queue.forget(&running);
    queue.done(&running);
    assert!(queue.lock().entries.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_fails_after_its_object_went_leaves_nothing() {
    let (queue, one) = (Queue::default(), key("a", "1"));
    let fails = || {
        assert_eq!(queue.failed(&one), 1);
        queue.add_after(one.clone(), Duration::from_secs(60));
    };
    queue.add(one.clone());
    let running = queue.next().await;
    queue.forget(&one);
    fails();
    queue.done(&running);
    assert!(queue.lock().entries.is_empty() && queue.lock().due.is_empty());

    // One of the same name comes before that pass has ended: it has a pass at once, and no failures.
    queue.add(one.clone());
    let running = queue.next().await;
    queue.forget(&one);
    queue.add(one.clone());
    fails();
    queue.done(&running);
    let begin = Instant::now();
    assert_eq!(
        (queue.next().await, begin.elapsed()),
        (one.clone(), Duration::ZERO)
    );
    queue.done(&one);
    queue.hint(one.clone());
    assert_eq!(queue.next().await, one, "nothing keeps a hint from being taken");
    // What is about itself counts.
    assert_eq!((queue.failed(&one), queue.failed(&one)), (1, 2));
    queue.add_after(one.clone(), Duration::from_secs(60));
    queue.done(&one);
    assert_eq!(queue.next().await, one);
    assert_eq!(begin.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_hint_does_not_end_a_delay_after_a_failure() {
    let (queue, one) = (Queue::default(), key("a", "1"));
    queue.hint(one.clone());
    assert_eq!(queue.next().await, one);
    queue.failed(&one);
    queue.add_after(one.clone(), Duration::from_secs(60));
    queue.done(&one);
    queue.hint(one.clone());
    let begin = Instant::now();
    assert_eq!(queue.next().await, one);
    assert_eq!(begin.elapsed(), Duration::from_secs(60));
    queue.succeeded(&one);
    queue.add_after(one.clone(), Duration::from_secs(60));
    queue.done(&one);
    queue.hint(one.clone());
    assert_eq!(queue.next().await, one);
    assert_eq!(begin.elapsed(), Duration::from_secs(60), "at once");
}
