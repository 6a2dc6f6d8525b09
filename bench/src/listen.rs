//! Where a program of the harness listens, and the certificate that it presents.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// The flags of a program that listens.
#[derive(Args, Debug)]
pub struct Listen {
    /// Where to listen
    #[arg(long)]
    pub addr: SocketAddr,
    /// Folder with `server.pem` and `server-key.pem`: serve TLS
    #[arg(long)]
    tls: Option<PathBuf>,
}

impl Listen {
    /// The certificate chain and its key, in PEM form. `None` without TLS.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn identity(&self) -> io::Result<Option<[Vec<u8>; 2]>> {
        let Some(folder) = &self.tls else { return Ok(None) };
        let read = |name| std::fs::read(folder.join(name));
        Ok(Some([read("server.pem")?, read("server-key.pem")?]))
    }

    /// tonic's server with its defaults, and with TLS if a folder is given.
    ///
    /// # Errors
    /// A file can't be read or used.
    #[cfg(feature = "bounds")]
    pub fn tonic_server(&self) -> Result<tonic::transport::Server, Box<dyn std::error::Error>> {
        use tonic::transport::{Identity, Server, ServerTlsConfig};
        Ok(match self.identity()? {
            None => Server::builder(),
            Some([chain, key]) => {
                let identity = Identity::from_pem(chain, key);
                Server::builder().tls_config(ServerTlsConfig::new().identity(identity))?
            }
        })
    }
}
