//! Documents that contain AWS credentials, in the formats of the SDK's providers.

use serde_json::json;

/// The response of `AssumeRoleWithWebIdentity` (STS's API reference).
pub fn web_identity_response(id: &str, secret: &str, session: &str, expiration: &str) -> String {
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{id}</AccessKeyId>\
         <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{session}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
    )
}

/// The response of a container's credential endpoint (AWS SDKs and Tools Reference Guide,
/// "Container credential provider").
pub fn container_response(id: &str, secret: &str, session: &str, expiration: &str) -> String {
    json!({
        "AccessKeyId": id,
        "SecretAccessKey": secret,
        "Token": session,
        "Expiration": expiration,
        "AccountId": "123456789012",
    })
    .to_string()
}

/// A shared credentials file with one key.
pub fn credentials_file(id: &str, secret: &str) -> String {
    format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}
