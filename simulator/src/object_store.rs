//! The objects that job workers uploaded to the artifacts' buckets.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde::Serialize;

/// An object in a bucket.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// The content.
    pub body: Bytes,
    /// The `Content-Type` of the upload, or `binary/octet-stream`.
    pub content_type: String,
    /// The encryption that the upload asked for.
    pub encryption: Encryption,
    /// The time of the upload on the simulator's clock.
    pub last_modified: SystemTime,
}

/// The server-side encryption of an object. The simulator stores all objects unencrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Encryption {
    /// `AES256`, S3's default, or `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The id of the KMS key as the upload wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { algorithm: "AES256".to_owned(), kms_key_id: None }
    }
}

impl Encryption {
    /// Encryption with a KMS key.
    #[must_use]
    pub fn kms(key_id: impl Into<String>) -> Self {
        Self { algorithm: "aws:kms".to_owned(), kms_key_id: Some(key_id.into()) }
    }
}

impl Object {
    /// The quoted MD5 hash of the content.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", hex::encode(Md5::digest(&self.body)))
    }
}

/// Artifacts can be secret and are large.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("size", &self.body.len())
            .field("content_type", &self.content_type)
            .field("encryption", &self.encryption)
            .field("last_modified", &self.last_modified)
            .finish_non_exhaustive()
    }
}

/// The name of a bucket and the key of an object in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// All objects of all buckets.
#[derive(Debug, Default)]
pub(crate) struct ObjectStore {
    objects: BTreeMap<ObjectName, Object>,
}

impl ObjectStore {
    /// Adds or replaces an object. The result is `false` if the store would have more than `max`
    /// objects.
    #[must_use]
    pub(crate) fn put(&mut self, name: ObjectName, object: Object, max: usize) -> bool {
        if self.objects.len() >= max && !self.objects.contains_key(&name) {
            return false;
        }
        self.objects.insert(name, object);
        true
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object> {
        self.objects.get(name)
    }

    /// All objects in the order of their buckets and keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&ObjectName, &Object)> {
        self.objects.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.objects.clear();
    }
}
