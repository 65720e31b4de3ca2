//! PURE: a kubeconfig as a Secret holds it, kept to what a tenant may say in it.
//!
//! It names a server and who is to be let in there. What would run a program here, read a file of ours, or trust whoever
//! answers is refused where the context that is used says it (CVE-2022-24817); other contexts are not looked at.

use kube::config::{AuthInfo, Cluster, Kubeconfig};
use thiserror::Error;

/// What is allowed beyond that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permits {
    /// Programs that get a token are run (`--insecure-kubeconfig-exec`).
    pub exec: bool,
    /// A server need not prove who it is (`--insecure-kubeconfig-tls`).
    pub insecure_tls: bool,
}

/// Why a kubeconfig is not used. Display has no value of it, only the names of its fields.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KubeconfigError {
    /// It is no kubeconfig.
    #[error("is no kubeconfig: {0}")]
    Parse(String),
    /// A part is missing.
    #[error("{0}")]
    Missing(String),
    /// A field that is not heeded of a tenant.
    #[error("{field} is not allowed: {instead}")]
    Refused {
        /// The field.
        field: String,
        /// What can be done instead.
        instead: &'static str,
    },
}

/// Reads a kubeconfig in YAML or JSON; gives it with its current context alone.
///
/// # Errors
/// See [`KubeconfigError`].
pub fn read(bytes: &[u8], permits: Permits) -> Result<Kubeconfig, KubeconfigError> {
    let value = yaml::parse_first(bytes).map_err(|e| KubeconfigError::Parse(e.to_string()))?;
    // What serde says of a wrong value may quote it.
    let config: Kubeconfig = serde_json::from_value(value)
        .map_err(|_| KubeconfigError::Parse("a field has a value of the wrong kind".to_owned()))?;
    let missing = |what: &str| KubeconfigError::Missing(what.to_owned());
    let name = config.current_context.as_ref().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| missing("current-context is not set"))?;
    let named = config.contexts.iter().find(|context| context.name == *name);
    let named = named.ok_or_else(|| missing("contexts has none with the name of current-context"))?;
    let context = named.context.as_ref();
    let context = context.ok_or_else(|| missing("the current context is empty"))?;
    let mut clusters = config.clusters.iter();
    let cluster = clusters.find(|cluster| cluster.name == context.cluster);
    let cluster =
        cluster.ok_or_else(|| missing("clusters has none with the name of the current context's"))?;
    let server = cluster
        .cluster
        .as_ref()
        .ok_or_else(|| missing("the cluster is empty"))?;
    check_cluster(server, permits)?;
    let user = context.user.as_ref().filter(|name| !name.is_empty());
    let user = user.map(|name| config.auth_infos.iter().find(|user| user.name == *name));
    let user = match user {
        Some(None) => return Err(missing("users has none with the name of the current context's")),
        user => user.flatten(),
    };
    if let Some(info) = user.and_then(|user| user.auth_info.as_ref()) {
        check_user(info, permits)?;
    }
    Ok(Kubeconfig {
        clusters: vec![cluster.clone()],
        contexts: vec![named.clone()],
        auth_infos: user.cloned().into_iter().collect(),
        current_context: config.current_context.clone(),
        ..Kubeconfig::default()
    })
}

fn check_cluster(cluster: &Cluster, permits: Permits) -> Result<(), KubeconfigError> {
    let server = cluster.server.as_deref().unwrap_or_default();
    let uri: Option<http::Uri> = server.parse().ok();
    let is_address = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !is_address {
        return Err(KubeconfigError::Missing(
            "cluster.server is no address".to_owned(),
        ));
    }
    if cluster.insecure_skip_tls_verify == Some(true) && !permits.insecure_tls {
        return Err(refused(
            "cluster.insecure-skip-tls-verify",
            "give the server's authority in certificate-authority-data",
        ));
    }
    if cluster.certificate_authority.is_some() {
        return Err(refused(
            "cluster.certificate-authority",
            "files of the controller are not read, give certificate-authority-data",
        ));
    }
    Ok(())
}

fn check_user(user: &AuthInfo, permits: Permits) -> Result<(), KubeconfigError> {
    let files = "files of the controller are not read";
    for (is_there, field, instead) in [
        (
            user.exec.is_some() && !permits.exec,
            "user.exec",
            "programs are not run, give a token or a client certificate",
        ),
        (
            user.auth_provider.is_some(),
            "user.auth-provider",
            "plugins are not run, give a token or a client certificate",
        ),
        (user.token_file.is_some(), "user.tokenFile", files),
        (
            user.client_certificate.is_some(),
            "user.client-certificate",
            files,
        ),
        (user.client_key.is_some(), "user.client-key", files),
    ] {
        if is_there {
            return Err(refused(field, instead));
        }
    }
    Ok(())
}

fn refused(field: &str, instead: &'static str) -> KubeconfigError {
    KubeconfigError::Refused {
        field: field.to_owned(),
        instead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             contexts: [{{name: a, context: {{cluster: c, user: u}}}}, {{name: b, context: {{cluster: d, user: v}}}}]\n\
             clusters: [{{name: d, cluster: {{insecure-skip-tls-verify: true}}}}, {{name: c, cluster: {{{cluster}}}}}]\n\
             users: [{{name: v, user: {{tokenFile: /etc/passwd}}}}, {{name: u, user: {{{user}}}}}]\n"
        )
    }

    const SERVER: &str = "server: 'https://spoke:6443'";

    #[test]
    fn only_the_current_context_counts() {
        let read = read(config(SERVER, "token: t").as_bytes(), Permits::default()).unwrap();
        assert_eq!(read.clusters.len(), 1);
        assert_eq!(read.auth_infos.len(), 1);
        assert_eq!(read.clusters[0].name, "c");
        assert_eq!(read.auth_infos[0].name, "u");
    }

    #[test]
    fn what_a_tenant_may_not_say_is_refused_by_its_name() {
        let all = Permits {
            exec: true,
            insecure_tls: true,
        };
        for (cluster, user, field, permitted) in [
            (
                "insecure-skip-tls-verify: true",
                "token: t",
                "cluster.insecure-skip-tls-verify",
                true,
            ),
            (
                "certificate-authority: /etc/passwd",
                "token: t",
                "cluster.certificate-authority",
                false,
            ),
            (
                "tls-server-name: a",
                "exec: {command: id, args: [x]}",
                "user.exec",
                true,
            ),
            (
                "tls-server-name: a",
                "auth-provider: {name: gcp, config: {cmd-path: id}}",
                "user.auth-provider",
                false,
            ),
            (
                "tls-server-name: a",
                "tokenFile: /var/run/token",
                "user.tokenFile",
                false,
            ),
            (
                "tls-server-name: a",
                "client-certificate: /a",
                "user.client-certificate",
                false,
            ),
            ("tls-server-name: a", "client-key: /a", "user.client-key", false),
        ] {
            let text = config(&format!("{SERVER}, {cluster}"), user);
            let error = read(text.as_bytes(), Permits::default()).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{field} is not allowed: ")),
                "{error}"
            );
            assert_eq!(read(text.as_bytes(), all).is_ok(), permitted, "{field}");
        }
    }

    #[test]
    fn what_is_no_kubeconfig_says_so_and_tells_no_value() {
        for (text, expected) in [
            ("", "is no kubeconfig: a field has a value of the wrong kind"),
            ("{}", "current-context is not set"),
            ("current-context: a", "contexts has none"),
            (
                "{current-context: a, contexts: [{name: a}]}",
                "the current context is empty",
            ),
            (
                "{current-context: a, contexts: [{name: a, context: {cluster: c}}]}",
                "clusters has none",
            ),
            ("users: s3cret", "is no kubeconfig: a field"),
            ("a: [", "is no kubeconfig: "),
        ] {
            let error = read(text.as_bytes(), Permits::default()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        for server in ["", "server: spoke", "server: 'file:///etc'", "server: 'https://'"] {
            let error = read(config(server, "token: t").as_bytes(), Permits::default()).unwrap_err();
            assert_eq!(error.to_string(), "cluster.server is no address", "{server}");
        }
        let text = config(SERVER, "token: t").replace("name: u,", "name: w,");
        let error = read(text.as_bytes(), Permits::default()).unwrap_err().to_string();
        assert!(error.starts_with("users has none"), "{error}");
    }
}
