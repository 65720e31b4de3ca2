//! The custom resources of Flux's API groups: the only language the controllers share.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::schema::{Column, NewStatus, finish};

pub mod extensions;
pub mod helm;
pub mod kustomize;
pub mod meta;
pub mod notification;
pub mod source;

mod print;
mod schema;

pub use print::yaml;

/// Every custom resource definition that a cluster needs, by group and kind.
pub fn all() -> Vec<CustomResourceDefinition> {
    use NewStatus::{Bare, Unobserved};
    const AGE: Column = Column::AGE;
    const READY: Column = Column::READY;
    const STATUS: Column = Column::STATUS;
    let text = Column::text;
    let url = text("URL", ".spec.url");
    let chart = [
        text("Chart", ".spec.chart"),
        text("Version", ".spec.version"),
        text("Source Kind", ".spec.sourceRef.kind"),
        text("Source Name", ".spec.sourceRef.name"),
        AGE,
        READY,
        STATUS,
    ];
    vec![
        finish(helm::HelmRelease::crd(), Unobserved, &[AGE, READY, STATUS]),
        finish(kustomize::Kustomization::crd(), Unobserved, &[AGE, READY, STATUS]),
        finish(notification::Alert::crd(), Bare, &[AGE]),
        finish(notification::Provider::crd(), Bare, &[AGE]),
        finish(notification::Receiver::crd(), Unobserved, &[AGE, READY, STATUS]),
        finish(extensions::ArtifactGenerator::crd(), Bare, &[AGE, READY, STATUS]),
        finish(
            source::Bucket::crd(),
            Unobserved,
            &[text("Endpoint", ".spec.endpoint"), AGE, READY, STATUS],
        ),
        finish(
            source::ExternalArtifact::crd(),
            Bare,
            &[AGE, READY, STATUS, text("Source", ".spec.sourceRef.name")],
        ),
        finish(
            source::GitRepository::crd(),
            Unobserved,
            &[url, AGE, READY, STATUS],
        ),
        finish(source::HelmChart::crd(), Unobserved, &chart),
        finish(
            source::HelmRepository::crd(),
            Unobserved,
            &[url, AGE, READY, STATUS],
        ),
        finish(
            source::OCIRepository::crd(),
            Unobserved,
            &[url, READY, STATUS, AGE],
        ),
    ]
}
