//! Records every request to a bucket.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// The number of records in memory. A simulator can run for days under load.
const KEPT: usize = 10_000;

/// One request to a bucket and the decision on it. A record contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BucketRecord {
    /// The number of the connection, from 1.
    pub connection: usize,
    /// The `x-amz-request-id` of the response.
    pub request_id: String,
    /// The HTTP method.
    pub method: String,
    /// The bucket.
    pub bucket: String,
    /// The first 1,024 characters of the object's key.
    pub key: String,
    /// The access key id in the signature.
    pub access_key_id: Option<String>,
    /// The HTTP status of the response.
    pub http_status: u16,
    /// The code of S3's error, or `None` if the request succeeded.
    pub error_code: Option<&'static str>,
    /// The message of S3's error.
    pub error_message: Option<String>,
}

/// The latest records.
#[derive(Debug, Default)]
pub(crate) struct BucketRecords {
    kept: Mutex<VecDeque<BucketRecord>>,
}

impl BucketRecords {
    pub(crate) fn add(&self, record: BucketRecord) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(record);
    }

    pub(crate) fn all(&self) -> Vec<BucketRecord> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}
