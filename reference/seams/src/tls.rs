//! The client's side of TLS, for the machine's network.
//!
//! A server is trusted if a root certificate of Mozilla's list vouches for its name. TLS draws its own randomness, so no
//! simulated network has TLS.

use std::io;
use std::sync::{Arc, LazyLock};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::ByteStream;

static CONNECTOR: LazyLock<TlsConnector> = LazyLock::new(|| {
    let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    connector(roots)
});

fn connector(roots: RootCertStore) -> TlsConnector {
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Secures a connection to `host`, a name or an IP address as in a URL.
///
/// # Errors
///
/// If the handshake fails, or no trusted certificate is for `host`.
pub(crate) async fn secure(stream: Box<dyn ByteStream>, host: &str) -> io::Result<Box<dyn ByteStream>> {
    secure_with(&CONNECTOR, stream, host).await
}

async fn secure_with(
    connector: &TlsConnector,
    stream: Box<dyn ByteStream>,
    host: &str,
) -> io::Result<Box<dyn ByteStream>> {
    let host = host.trim_matches(['[', ']']).to_owned();
    let name =
        ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let secured = connector.connect(name, stream).await?;
    Ok(Box::new(secured))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

    use super::*;

    // Made with `openssl`: the certificate of a test authority, and one of `receiver.test` that it signed, with its key.
    // Both are valid from 2020 to 2120.
    const AUTHORITY: &[u8] = include_bytes!("../testdata/authority.der");
    const RECEIVER: &[u8] = include_bytes!("../testdata/receiver.der");
    const RECEIVER_KEY: &[u8] = include_bytes!("../testdata/receiver-key.der");

    /// A connection whose other side speaks TLS as `receiver.test` and sends `hello`.
    fn connection() -> Box<dyn ByteStream> {
        let (client, server) = tokio::io::duplex(16 * 1024);
        let chain = vec![CertificateDer::from(RECEIVER)];
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(RECEIVER_KEY).into())
            .unwrap();
        tokio::spawn(async move {
            // The client may refuse the certificate.
            if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(server).await {
                stream.write_all(b"hello").await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Box::new(client)
    }

    #[tokio::test]
    async fn a_host_with_a_trusted_certificate_is_secured() {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(AUTHORITY)).unwrap();
        let trusting = connector(roots);
        let mut stream = secure_with(&trusting, connection(), "receiver.test")
            .await
            .unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "hello");

        let other_name = secure_with(&trusting, connection(), "other.test").await;
        assert!(other_name.is_err(), "the certificate is for another name");
        let unknown = secure(connection(), "receiver.test").await;
        assert!(unknown.is_err(), "no root of Mozilla's list vouches for it");
    }

    #[tokio::test]
    async fn a_host_that_is_no_name_is_an_error() {
        let (stream, _other_side) = tokio::io::duplex(1);
        let error = secure(Box::new(stream), "a b").await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
