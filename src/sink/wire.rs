//! Syslog's ways over the network: UDP, TCP and TLS, one connection for each message.
//!
//! Refuses to count a message as delivered before the receiver had the chance to say that it is
//! gone: syslog has no answers, so we end our half of the connection and wait until the other half
//! ends, too.
//!
//! Facts: RFC 5426 (UDP), RFC 6587 section 3.4.1 (octet counting), RFC 5425 (TLS).

use super::tls::Tls;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};

/// A receiver that keeps its half open for so long after ours ended has no objection: some never
/// end it.
const GOODBYE: Duration = Duration::from_secs(2);

/// How it gets there.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// In the clear, and nobody notices what is lost.
    Udp,
    /// In the clear.
    Tcp,
    /// Encrypted, and the receiver is who it says.
    #[default]
    Tls,
}

/// Where to, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wire {
    /// Host and port.
    pub address: String,
    pub transport: Transport,
}

impl Wire {
    /// Sends one message.
    ///
    /// # Errors
    /// A sentence: it may work later.
    pub async fn carry(
        &self,
        message: Vec<u8>,
        tls: &Tls,
        timeout: Duration,
    ) -> Result<(), String> {
        let sending = async {
            match self.transport {
                Transport::Udp => self.datagram(&message).await,
                Transport::Tcp => farewell(self.connect().await?, &frame(&message)).await,
                Transport::Tls => self.encrypted(&frame(&message), tls).await,
            }
        };
        let at = |e| format!("{}: {e}", self.address);
        match tokio::time::timeout(timeout, sending).await {
            Ok(sent) => sent.map_err(at),
            Err(_) => Err(at(format!(
                "it took longer than {} seconds",
                timeout.as_secs()
            ))),
        }
    }

    async fn datagram(&self, message: &[u8]) -> Result<(), String> {
        let found = lookup_host(&self.address)
            .await
            .map_err(|e| e.to_string())?
            .next();
        let to = found.ok_or("the name has no address")?;
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await.map_err(|e| e.to_string())?;
        socket
            .send_to(message, to)
            .await
            .map_err(|e| e.to_string())?;
        Ok(())
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        TcpStream::connect(&self.address)
            .await
            .map_err(|e| format!("cannot connect: {e}"))
    }

    async fn encrypted(&self, frame: &[u8], tls: &Tls) -> Result<(), String> {
        let config = tls.config(true)?;
        let host = self
            .address
            .rsplit_once(':')
            .map_or(self.address.as_str(), |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| "the host is neither a name nor an address".to_owned())?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector
            .connect(name, self.connect().await?)
            .await
            .map_err(|e| format!("TLS: {e}"))?;
        farewell(stream, frame).await
    }
}

/// `MSG-LEN SP SYSLOG-MSG`: the same in RFC 6587 and RFC 5425.
fn frame(message: &[u8]) -> Vec<u8> {
    [format!("{} ", message.len()).as_bytes(), message].concat()
}

/// Writes, ends our half, and waits for the other half to end.
async fn farewell(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    frame: &[u8],
) -> Result<(), String> {
    let said = |e: std::io::Error| format!("the connection broke: {e}");
    stream.write_all(frame).await.map_err(said)?;
    stream.flush().await.map_err(said)?;
    stream.shutdown().await.map_err(said)?;
    let mut rest = [0; 512];
    let end = async {
        loop {
            match stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // Ends of TCP without a word of TLS are common, and come after the message was
                // read.
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(e) => return Err(said(e)),
            }
        }
    };
    tokio::time::timeout(GOODBYE, end).await.unwrap_or(Ok(()))
}
