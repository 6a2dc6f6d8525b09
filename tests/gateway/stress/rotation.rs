//! Certificates and access keys that change during a stress test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use codepipeline_simulator::AccessKey;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::chaos::Chaos;
use super::vitals::Metrics;
use crate::harness::certificates::{Authority, write_pair};
use crate::harness::credential_documents::credentials_file;
use crate::harness::{PATIENCE, Scratch, until};

/// A folder with a certificate, as Kubernetes mounts a Secret: an update replaces the link
/// `..data`.
pub struct Secret {
    folder: Scratch,
    authority: Authority,
    count: usize,
}

impl Secret {
    pub fn new() -> Self {
        let folder = Scratch::new();
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), folder.path().join(name)).unwrap();
        }
        let mut secret = Self { folder, authority: Authority::new(), count: 0 };
        secret.put(&secret.authority.issue("gateway.test"));
        secret
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    fn put(&mut self, pair: &(String, String)) {
        self.count += 1;
        let (version, path) = (format!("..{}", self.count), self.folder.path());
        fs::create_dir(path.join(&version)).unwrap();
        write_pair(&path.join(&version), pair);
        symlink(&version, path.join("..data_tmp")).unwrap();
        fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
    }
}

/// Replaces the certificate and waits for its reload. Every third time, an invalid certificate
/// comes first.
pub async fn rotate_certificates(chaos: &Chaos, mut secret: Secret, end: &CancellationToken) -> usize {
    let loads = async |result: &str| {
        let page = Metrics::of(chaos.admin).await;
        page.sum("codepipeline_gateway_tls_certificate_loads_total", &[&format!("\"{result}\"")])
    };
    let mut rotated = 0;
    while !end.is_cancelled() {
        if rotated % 3 == 1 {
            let before = loads("error").await;
            let (cert, _) = secret.authority.issue("gateway.test");
            let (_, key) = secret.authority.issue("gateway.test");
            secret.put(&(cert, key));
            until("rejected certificates", PATIENCE, async || loads("error").await, |now| *now > before)
                .await;
        }
        let before = loads("ok").await;
        secret.put(&secret.authority.issue("gateway.test"));
        until("certificates", PATIENCE, async || loads("ok").await, |now| *now > before).await;
        rotated += 1;
    }
    rotated
}

/// The n-th access key of a test.
pub fn key(n: usize) -> AccessKey {
    AccessKey::new(format!("AKIAFAKECHAOS{n:07}"), format!("fake-chaos-secret-{n:07}-do-not-show"))
}

/// Writes the shared credentials file with this key.
pub fn put_key(folder: &Scratch, key: &AccessKey) -> PathBuf {
    folder.file("credentials", &credentials_file(&key.access_key_id, &key.secret_access_key))
}

/// Replaces the key. The old key stays valid until the new one is in use, except every third time.
pub async fn rotate_keys(chaos: &Chaos, folder: &Scratch, end: &CancellationToken) -> usize {
    let loads = async || {
        let page = Metrics::of(chaos.admin).await;
        page.sum("codepipeline_gateway_credentials_refreshes_total", &["\"ok\""])
    };
    let mut rotated = 0;
    while !end.is_cancelled() {
        let (old, new) = (key(rotated), key(rotated + 1));
        let expires = rotated % 3 == 2;
        let kept = if expires { old.expired() } else { old };
        chaos.simulator.set_keys(vec![kept, new.clone()]);
        let before = loads().await;
        put_key(folder, &new);
        until("new credentials", PATIENCE, loads, |now| *now > before).await;
        sleep(Duration::from_secs(2)).await;
        chaos.simulator.set_keys(vec![new]);
        rotated += 1;
    }
    rotated
}
