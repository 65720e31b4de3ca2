//! A throw-away certificate authority, and the certificates it signs.

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority that lives as long as the test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, in PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new authority; nobody trusts it yet.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "throw-away authority");
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate()?).context("make an authority")?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate as PEM: what a client has to trust.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server at these DNS names and IP addresses.
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.sign(
            CertificateParams::new(names)?,
            "server",
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// A certificate for a client of this name.
    pub fn client(&self, name: &str) -> Result<Identity> {
        self.sign(
            CertificateParams::default(),
            name,
            ExtendedKeyUsagePurpose::ClientAuth,
        )
    }

    /// A certificate of one who signs code, for so many hours that begin an hour ago; with an address where it says
    /// which certificates were revoked, if wanted. What comes is the certificate with the authority's behind it, and the key.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn signer(&self, name: &str, hours: i64, crl: Option<&str>) -> Result<Identity> {
        let mut params = CertificateParams::default();
        let (country, state, organization) = (
            DnType::CountryName,
            DnType::StateOrProvinceName,
            DnType::OrganizationName,
        );
        for (kind, value) in [
            (country, "US"),
            (state, "WA"),
            (organization, "Sluice"),
            (DnType::CommonName, name),
        ] {
            params.distinguished_name.push(kind, value);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let now = std::time::SystemTime::now();
        let hour = std::time::Duration::from_secs(3600);
        params.not_before = (now - hour).into();
        params.not_after = (now - hour + hour * u32::try_from(hours)?).into();
        params.crl_distribution_points = crl
            .map(|url| rcgen::CrlDistributionPoint {
                uris: vec![url.to_owned()],
            })
            .into_iter()
            .collect();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            certificate: format!("{}{}", certificate.pem(), self.certificate()),
            key: key.serialize_pem(),
        })
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity> {
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("sign the certificate of {name}"))?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}
