//! The control plane itself: it comes up, runs workloads, and leaves nothing behind.

use e2e::{control_plane::ControlPlane, tools::Tools};

#[tokio::test(flavor = "multi_thread")]
async fn comes_up_and_goes() {
    let plane = ControlPlane::start(&Tools::control_plane().unwrap())
        .await
        .unwrap();
    let version = plane.admin().await.unwrap().apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "37"));
}
