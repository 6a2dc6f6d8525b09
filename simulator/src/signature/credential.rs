//! The credential in a signature: `KEY/DAY/REGION/SERVICE/aws4_request`.

/// An access key id and the scope for which a signature is valid.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) access_key_id: String,
    pub(crate) day: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) terminator: String,
}

impl Credential {
    /// The credential, if it has exactly five elements.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let elements: Vec<_> = text.split('/').map(str::to_owned).collect();
        let [access_key_id, day, region, service, terminator] = <[String; 5]>::try_from(elements).ok()?;
        Some(Self { access_key_id, day, region, service, terminator })
    }

    /// The scope, as it is signed.
    pub(super) fn scope(&self) -> String {
        [&*self.day, &self.region, &self.service, &self.terminator].join("/")
    }
}
