//! Reports when the contents of files change.
//!
//! The files are polled. A Kubernetes Secret changes by a swap of symlinks, the kubelet needs about
//! a minute to bring a new one, and a network file system might not report changes at all.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::sha256::{Sha256, sha256};

/// How often the files are read.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Watches files. It keeps a digest of their contents, because they can hold private keys and
/// credentials.
pub(crate) struct FileWatch {
    files: Vec<PathBuf>,
    seen: Vec<Option<Sha256>>,
}

impl FileWatch {
    /// Watches these files for changes from now on. A file that can't be read counts as missing.
    pub(crate) async fn new(files: Vec<PathBuf>) -> Self {
        let seen = digests(files.clone()).await;
        Self { files, seen }
    }

    /// Makes the next `changed` return after one interval, even if the contents stay the same.
    pub(crate) fn report_again(&mut self) {
        self.seen.clear();
    }

    /// Returns when the contents differ from those of the last return. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            sleep(POLL_INTERVAL).await;
            let now = digests(self.files.clone()).await;
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

async fn digests(files: Vec<PathBuf>) -> Vec<Option<Sha256>> {
    let read =
        move || files.iter().map(|file| fs::read(file).ok().map(|contents| sha256(&contents))).collect();
    // A network file system can hang, and must not block one of the runtime's threads.
    spawn_blocking(read).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_is_reported_once() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        let mut watch = FileWatch::new(vec![file.clone(), folder.path().join("missing")]).await;
        let minute = Duration::from_secs(60);
        assert!(timeout(minute, watch.changed()).await.is_err(), "nothing has changed");
        fs::write(&file, "two").unwrap();
        assert!(timeout(minute, watch.changed()).await.is_ok());
        assert!(timeout(minute, watch.changed()).await.is_err(), "the change was reported before");
        fs::remove_file(&file).unwrap();
        assert!(timeout(minute, watch.changed()).await.is_ok());
    }
}
