//! A channel over every address of a name: `dns:///` with round_robin, which tonic doesn't have.

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tonic::transport::channel::Change;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Uri};

/// The time until a new replica gets calls and a removed one gets none.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// Keeps a channel's addresses until it is dropped.
pub struct Balancer(JoinHandle<()>);

impl Drop for Balancer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `names` is HOST:PORT, or several with commas between.
pub fn channel(names: &str, tls: Option<ClientTlsConfig>) -> Result<(Channel, Balancer), Box<dyn Error>> {
    let names: Vec<String> = names.split(',').map(str::to_owned).collect();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let uris =
        names.iter().map(|name| format!("{scheme}://{name}").parse()).collect::<Result<Vec<Uri>, _>>()?;
    let (channel, changes) = Channel::balance_channel(16);
    let keep = async move {
        let mut known = HashSet::new();
        // Ends with the channel.
        while update(&names, &uris, tls.as_ref(), &mut known, &changes).await {
            sleep(LOOK_UP_EVERY).await;
        }
    };
    Ok((channel, Balancer(tokio::spawn(keep))))
}

/// Resolves all names and sends changes to the channel. Returns false if the channel is closed.
async fn update(
    names: &[String],
    uris: &[Uri],
    tls: Option<&ClientTlsConfig>,
    known: &mut HashSet<SocketAddr>,
    changes: &Sender<Change<SocketAddr, Endpoint>>,
) -> bool {
    let mut found = HashSet::new();
    for (name, uri) in names.iter().zip(uris) {
        // After a failed lookup, the known addresses stay.
        let Ok(addresses) = lookup_host(name).await else { return !changes.is_closed() };
        for address in addresses {
            found.insert(address);
            let Ok(endpoint) = endpoint(address, uri, tls) else { continue };
            if known.insert(address) && changes.send(Change::Insert(address, endpoint)).await.is_err() {
                return false;
            }
        }
    }
    let gone: Vec<SocketAddr> = known.difference(&found).copied().collect();
    for address in gone {
        known.remove(&address);
        if changes.send(Change::Remove(address)).await.is_err() {
            return false;
        }
    }
    !changes.is_closed()
}

fn endpoint(
    address: SocketAddr,
    uri: &Uri,
    tls: Option<&ClientTlsConfig>,
) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("{}://{address}", uri.scheme_str().unwrap_or("http")))?
        // The name of the gateway, not the address of one replica.
        .origin(uri.clone())
        .connect_timeout(Duration::from_secs(2))
        // Detects a peer that disappeared, also between calls.
        .http2_keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true);
    match tls {
        Some(tls) => endpoint.tls_config(tls.clone().domain_name(uri.host().unwrap_or_default())),
        None => Ok(endpoint),
    }
}
