//! Computes SHA-256 digests.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// A SHA-256 digest.
pub(crate) type Sha256 = [u8; SHA256_OUTPUT_LEN];

/// Computes the digest of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hash = Sha256::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
