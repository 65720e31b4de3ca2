//! The custom resources of the four Flux API groups: the only language the controllers share.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::schema::{Column, NewStatus, finish};

pub mod kustomize;
pub mod meta;
pub mod source;

mod schema;

/// Every custom resource definition that a cluster needs, by group and kind.
pub fn all() -> Vec<CustomResourceDefinition> {
    use NewStatus::Unobserved;
    const AGE: Column = Column::AGE;
    const READY: Column = Column::READY;
    const STATUS: Column = Column::STATUS;
    let text = Column::text;
    vec![
        finish(kustomize::Kustomization::crd(), Unobserved, &[AGE, READY, STATUS]),
        finish(
            source::GitRepository::crd(),
            Unobserved,
            &[text("URL", ".spec.url"), AGE, READY, STATUS],
        ),
    ]
}
