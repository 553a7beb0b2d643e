//! What a subscriber's bytes travel on: a socket, or TLS on a socket. Not for requests over REST, which the bench makes in the clear.
use crate::failure::{Doing, Outcome};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Waits for the handshake, then waits for nothing any more.
    pub(crate) fn tls(socket: TcpStream, trust: &Trust) -> Outcome<Wire> {
        let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        let client = ClientConnection::new(Arc::clone(&trust.0), name).map_err(io::Error::other);
        let mut stream = StreamOwned::new(client.doing("begin TLS")?, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).doing("shake hands over TLS")?;
        }
        stream.sock.set_nonblocking(true).doing("set a socket non-blocking")?;
        Ok(Wire::Tls(Box::new(stream)))
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(buffer),
            Wire::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(bytes),
            Wire::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Wire::Plain(stream) => stream.as_fd(),
            Wire::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

/// Whom subscribers trust.
#[derive(Debug, Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

/// A certificate for 127.0.0.1 that was made for this run.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The file that a server reads its settings from.
    pub(crate) config: PathBuf,
    pub(crate) trust: Trust,
}

impl Certificate {
    /// Makes one in this folder.
    pub(crate) fn make(folder: &Path) -> Outcome<Certificate> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other);
        let made = made.doing("make a certificate")?;
        let [certificate, key, config] = ["certificate.pem", "key.pem", "tls.toml"].map(|name| folder.join(name));
        fs::write(&certificate, made.cert.pem()).doing("write a certificate")?;
        fs::write(&key, made.signing_key.serialize_pem()).doing("write its key")?;
        fs::write(&config, format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")).doing("write a config")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(made.cert.der().to_vec())).map_err(io::Error::other).doing("trust it")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let client = client.map_err(io::Error::other).doing("settle how to speak TLS")?;
        let trust = Trust(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
        Ok(Certificate { config, trust })
    }
}
