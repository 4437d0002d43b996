//! TLS, by rustls, as `sslmode` and `sslrootcert` of the URL say. The modes are libpq's: <https://www.postgresql.org/docs/current/libpq-ssl.html>.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use stent_core::error::{BackendError, ErrorKind};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How much of a server is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// `disable`, `prefer`, `require`: whatever it shows, if TLS is spoken at all.
    Anyone,
    /// `verify-ca`, `verify-full`, or any mode with `sslrootcert`: a certificate for the host's name, of an authority of this file, or else of this machine.
    Verified(Option<PathBuf>),
}

/// Takes what tokio-postgres does not know out of a URL: `verify-ca` and `verify-full`, which are `require` with trust, and `sslrootcert`.
pub(crate) fn trust(url: &str) -> (String, Trust) {
    let Some((before, query)) = url.split_once('?').filter(|(before, _)| before.contains("://")) else {
        return (url.to_owned(), Trust::Anyone);
    };
    let (mut kept, mut trust) = (Vec::new(), Trust::Anyone);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-ca" | "verify-full")) => {
                kept.push("sslmode=require");
                trust = match trust {
                    Trust::Anyone => Trust::Verified(None),
                    verified => verified,
                };
            }
            Some(("sslrootcert", "system")) => trust = Trust::Verified(None),
            Some(("sslrootcert", file)) => trust = Trust::Verified(Some(file.into())),
            _ => kept.push(pair),
        }
    }
    let query = kept.join("&");
    (if query.is_empty() { before.to_owned() } else { format!("{before}?{query}") }, trust)
}

/// What connections speak TLS with, where they do.
pub(crate) fn connector(trust: &Trust) -> Result<MakeRustlsConnect, BackendError> {
    let provider = Arc::new(ring::default_provider());
    let unsupported = |text: String| BackendError::new(ErrorKind::Unsupported, "open").with_message(text);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unsupported(error.to_string()))?;
    let config = match trust {
        Trust::Anyone => {
            let anyone = Arc::new(Anyone(provider));
            builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth()
        }
        Trust::Verified(file) => {
            let mut roots = RootCertStore::empty();
            let certificates = match file {
                Some(file) => of_file(file).map_err(unsupported)?,
                None => rustls_native_certs::load_native_certs().certs,
            };
            let (added, _) = roots.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(unsupported("no certificate of an authority was found to verify the server with".into()));
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn of_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: rustls::pki_types::pem::Error| format!("{}: {error}", file.display());
    CertificateDer::pem_file_iter(file).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)
}

/// Believes any certificate, as libpq does unless it is told to verify: what is sent is hidden from those who listen, not from one who stands in between.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_does_not_know_is_taken_out_of_the_url() {
        let verified = |file: Option<&str>| Trust::Verified(file.map(Into::into));
        for (url, kept, expected) in [
            ("postgres://host/db", "postgres://host/db", Trust::Anyone),
            ("postgres://host/db?sslmode=require", "postgres://host/db?sslmode=require", Trust::Anyone),
            ("postgres://host/db?sslmode=verify-full", "postgres://host/db?sslmode=require", verified(None)),
            (
                "postgres://host/db?sslrootcert=/ca.pem&sslmode=verify-ca&application_name=a",
                "postgres://host/db?sslmode=require&application_name=a",
                verified(Some("/ca.pem")),
            ),
            (
                "postgres://host/db?sslmode=require&sslrootcert=/ca.pem",
                "postgres://host/db?sslmode=require",
                verified(Some("/ca.pem")),
            ),
            (
                "postgres://host/db?sslmode=verify-full&sslrootcert=system",
                "postgres://host/db?sslmode=require",
                verified(None),
            ),
            ("host=a sslmode=require", "host=a sslmode=require", Trust::Anyone),
        ] {
            assert_eq!(trust(url), (kept.to_owned(), expected), "{url}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert!(connector(&Trust::Anyone).is_ok());
        assert!(connector(&Trust::Verified(Some("/nowhere/ca.pem".into()))).is_err());
    }
}
