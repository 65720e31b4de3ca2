//! PURE: by which way a login may go. What an identity is granted that is not the object's own opens more than the object is
//! for; who names certificates to trust, or a proxy for what is not encrypted, could hear it.

use super::{CloudError, Who};

/// The way to where a login is for, as an object describes it.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The object names certificates to trust, besides those that the system does.
    pub trusts: bool,
    /// The peer need not prove who it is.
    pub plain: bool,
    /// It is on this machine, unless a proxy has another idea of that.
    pub local: bool,
}

impl Way {
    /// Whether what an identity is granted may go there.
    ///
    /// # Errors
    /// That it may not, and what to do.
    pub fn check(self, who: &Who<'_>) -> Result<(), CloudError> {
        let problem = if who.is_its_own() {
            return Ok(());
        } else if self.trusts {
            "over certificates that the object names"
        } else if self.plain && !self.local {
            "without TLS (insecure)"
        } else if self.plain && who.proxy.is_some() {
            "over a proxy without TLS"
        } else {
            return Ok(());
        };
        Err(CloudError::Setup(format!(
            "the login of an identity that is not the object's own is not sent {problem}; name a ServiceAccount in \
             spec.serviceAccountName, or use a Secret"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peer::http::Proxy;

    #[test]
    fn a_tenant_hears_no_login_but_its_own() {
        let proxy = Proxy {
            address: "http://spy:3128".parse().unwrap(),
            login: None,
        };
        let (none, some) = (None, Some(&proxy));
        for (trusts, plain, local, proxy, good) in [
            (false, false, false, none, true),
            // Over TLS a proxy hears nothing.
            (false, false, false, some, true),
            (false, true, true, none, true),
            (false, true, true, some, false),
            (false, true, false, none, false),
            (true, false, false, none, false),
            (true, false, false, some, false),
        ] {
            let way = Way { trusts, plain, local };
            for (account, good) in [(None, good), (Some(""), good), (Some("its-own"), true)] {
                let who = Who {
                    namespace: "n",
                    account,
                    proxy,
                };
                assert_eq!(way.check(&who).is_ok(), good, "{way:?} {who:?}");
            }
        }
    }
}
