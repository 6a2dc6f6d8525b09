//! Reads the server-side encryption that an upload asks for, and writes that of an object.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::S3Error;
use crate::object_store::Encryption;
use crate::protocol::HttpRequest;

const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KMS_KEY_ID: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");

/// The encryption in the headers of an upload. Without headers, it is S3's default.
pub(super) fn read(request: &HttpRequest) -> Result<Encryption, S3Error> {
    let algorithm = request.header(ALGORITHM.as_str()).unwrap_or("AES256");
    let kms_key_id = request.header(KMS_KEY_ID.as_str()).map(str::to_owned);
    match algorithm {
        "AES256" if kms_key_id.is_some() => Err(S3Error::invalid_argument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header \
             x-amz-server-side-encryption : aws:kms",
            ALGORITHM.as_str(),
            algorithm,
        )),
        "AES256" | "aws:kms" | "aws:kms:dsse" => {
            Ok(Encryption { algorithm: algorithm.to_owned(), kms_key_id })
        }
        other => Err(S3Error::invalid_argument(
            "The encryption method specified is not supported",
            ALGORITHM.as_str(),
            other,
        )),
    }
}

/// Adds the headers of an object's encryption to a response.
pub(super) fn write(encryption: &Encryption, headers: &mut HeaderMap) {
    let values = [(ALGORITHM, Some(&encryption.algorithm)), (KMS_KEY_ID, encryption.kms_key_id.as_ref())];
    for (name, value) in values {
        // A key id in a job file can have characters that a header can't have.
        headers.extend(value.and_then(|text| HeaderValue::try_from(text).ok()).map(|value| (name, value)));
    }
}
