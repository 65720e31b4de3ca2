//! `IAMPolicyGenerator`: a service account of the cluster that stands for one of the cloud.

use crate::Error;
use crate::documents;
use crate::kustomization::Fields;
use crate::object::Object;

/// Its configuration.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    cloud: String,
    /// Name and namespace in the cluster.
    local: (String, String),
    /// Name and project in the cloud.
    remote: (String, String),
}

impl Policy {
    pub(super) fn read(fields: &mut Fields) -> Result<Policy, Error> {
        let pair = |fields: &mut Fields, name: &str, second: &str| {
            let read = |fields: &mut Fields| Ok((fields.string("name")?, fields.string(second)?));
            fields.object(name, read).map(Option::unwrap_or_default)
        };
        Ok(Policy {
            cloud: fields.string("cloud")?,
            local: pair(fields, "kubernetesService", "namespace")?,
            remote: pair(fields, "serviceAccount", "projectId")?,
        })
    }

    pub(super) fn generate(&self) -> Result<Vec<Object>, Error> {
        if self.cloud != "gke" {
            let problem = format!("cloud provider {} not supported yet", self.cloud);
            return Err(Error::Plugin { problem });
        }
        let ((name, namespace), (account, project)) = (&self.local, &self.remote);
        // kustomize writes the names into a text, so that what they mean is decided when it is read.
        let mut text = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    iam.gke.io/gcp-service-account: \
             {account}@{project}.iam.gserviceaccount.com\n  name: {name}\n"
        );
        if !namespace.is_empty() {
            text.push_str(&format!("\n  namespace: {namespace}"));
        }
        documents::objects(text.as_bytes())
    }
}
