//! Collects output and fails with every place that contains a secret.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use tonic_types::StatusExt;

use super::search::{Secret, find_in};
use super::{NONCE, SECRETS};
use crate::harness::Answer;

/// Texts with their sources.
pub struct Evidence {
    texts: Vec<(String, String)>,
    secrets: Vec<Secret>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { texts: Vec::new(), secrets: SECRETS.map(|(name, secret)| Secret::new(name, secret)).into() }
    }
}

impl Evidence {
    /// Adds a secret to the planted ones.
    pub fn also_secret(&mut self, name: &'static str, secret: &str) {
        self.secrets.push(Secret::new(name, secret));
    }

    pub fn add(&mut self, from: impl Into<String>, text: impl Into<String>) {
        self.texts.push((from.into(), text.into()));
    }

    pub fn answer<R: Debug>(&mut self, from: &str, answer: &Answer<R>) {
        let mut text = format!("{answer:?}");
        for (name, value) in answer.metadata.clone().into_headers() {
            let _ = write!(text, "\n{name:?}: {} {value:?}", String::from_utf8_lossy(value.as_bytes()));
        }
        if let Err(status) = &answer.result {
            let details = String::from_utf8_lossy(status.details());
            let _ = write!(text, "\n{}\n{details}\n{:?}", status.message(), status.get_error_details());
        }
        self.add(format!("the response to {from}"), text);
    }

    /// Fails with every place that contains a secret, each once.
    pub fn assert_no_secret(&self) {
        let mut leaks: BTreeMap<String, String> = BTreeMap::new();
        for (from, text) in &self.texts {
            for line in text.lines() {
                for (secret, form) in find_in(line, &self.secrets) {
                    // Lines that differ only in numbers (times, IDs, ports) are the same place.
                    let place: String = line.chars().filter(|c| !c.is_ascii_digit()).take(400).collect();
                    let leak = format!("{secret} ({form}) in {from}: {line}");
                    leaks.entry(format!("{secret} {place}")).or_insert(leak);
                }
            }
        }
        let list = leaks.values().cloned().collect::<Vec<_>>().join("\n\n");
        assert!(leaks.is_empty(), "secrets in {} places:\n{list}", leaks.len());
    }
}

#[test]
#[should_panic(expected = "the nonce (Debug) in a log: {\"m\":\"planted-nonce")]
fn one_secret_in_one_line_fails_the_test() {
    let mut evidence = Evidence::default();
    evidence.add("a log", format!("fine\n{{\"m\":{}}}\nfine", serde_json::to_string(NONCE).unwrap()));
    evidence.assert_no_secret();
}
