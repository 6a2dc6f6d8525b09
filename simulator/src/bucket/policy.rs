//! The permissions of the keys in a job's details, and the bucket's own rule about encryption.

use crate::jobs::{Artifact, Job};
use crate::object_store::{Encryption, ObjectName};

use super::error::S3Error;

/// The caller in S3's messages.
const CALLER: &str = "User: arn:aws:sts::123456789012:assumed-role/fake-pipeline-role/fake-session";

/// The input artifact of the job that a key of the job can read.
pub(super) fn readable<'a>(job: &'a Job, name: &ObjectName) -> Result<&'a Artifact, S3Error> {
    find(&job.input_artifacts, name).ok_or_else(|| not_allowed("s3:GetObject", name))
}

/// Checks that a key of the job can write this object: it must be an output artifact of the job,
/// and it must be encrypted with the job's key if the job has one.
pub(super) fn check_write(job: &Job, name: &ObjectName, encryption: &Encryption) -> Result<(), S3Error> {
    if find(&job.output_artifacts, name).is_none() {
        return Err(not_allowed("s3:PutObject", name));
    }
    match &job.encryption_key {
        Some(key) if *encryption != Encryption::kms(&key.id) => Err(denied("s3:PutObject", name)),
        _ => Ok(()),
    }
}

/// The error for an action that no key has a permission for.
pub(super) fn not_allowed(action: &str, name: &ObjectName) -> S3Error {
    let text = format!("because no session policy allows the {action} action");
    not_authorized(action, name, &text)
}

/// The error for an action that the bucket's policy denies.
fn denied(action: &str, name: &ObjectName) -> S3Error {
    not_authorized(action, name, "with an explicit deny in a resource-based policy")
}

fn not_authorized(action: &str, ObjectName { bucket, key }: &ObjectName, why: &str) -> S3Error {
    let resource = if key.is_empty() {
        format!("arn:aws:s3:::{bucket}")
    } else {
        format!("arn:aws:s3:::{bucket}/{key}")
    };
    let text = format!("{CALLER} is not authorized to perform: {action} on resource: \"{resource}\" {why}");
    S3Error::access_denied(text)
}

fn find<'a>(artifacts: &'a [Artifact], name: &ObjectName) -> Option<&'a Artifact> {
    artifacts.iter().find(|artifact| artifact.bucket_name == name.bucket && artifact.object_key == name.key)
}
