//! Finds secrets in text, in every encoding that logs, headers, and errors use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{KEY_ID, SECRETS};

/// This many consecutive characters of a secret are also a leak.
const PIECE: usize = 10;

/// A secret, with every text that reveals it.
pub(super) struct Secret {
    name: &'static str,
    forms: Vec<(&'static str, String)>,
    pieces: Vec<String>,
}

impl Secret {
    pub(super) fn new(name: &'static str, secret: &str) -> Self {
        Self { name, forms: forms(secret), pieces: pieces(secret) }
    }
}

/// The secrets in a text, each once, with the form of the first hit.
pub(super) fn find_in(text: &str, secrets: &[Secret]) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for Secret { name, forms, pieces } in secrets {
        if let Some((form, _)) = forms.iter().find(|(_, form)| text.contains(form.as_str())) {
            found.push((*name, *form));
        } else if pieces.iter().any(|piece| text.contains(piece.as_str())) {
            found.push((*name, "a piece of it"));
        }
    }
    found
}

/// A secret in the encodings that logs, headers, and errors use.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let hex = |byte: &u8| format!("{byte:02x}");
    let percent = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let percent: String = bytes.iter().map(percent).collect();
    let grpc_message = |byte: &u8| match byte {
        b' '..=b'$' | b'&'..=b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let hex: String = bytes.iter().map(hex).collect();
    let mut forms = vec![
        ("raw", secret.to_owned()),
        ("lower case", secret.to_lowercase()),
        ("percent-encoded", percent.clone()),
        ("percent-encoded, lower case", lower_hex(&percent)),
        ("percent-encoded as in grpc-message", bytes.iter().map(grpc_message).collect()),
        ("form-encoded", percent.replace("%20", "+")),
        ("hex", hex.clone()),
        ("hex, upper case", hex.to_uppercase()),
        ("Debug", debug(secret)),
        ("Debug in JSON", json(&debug(secret))),
        ("JSON", json(secret)),
        ("JSON in Debug", debug(&json(secret))),
        ("JSON in JSON", json(&json(secret))),
        ("Debug of bytes", bytes.escape_ascii().to_string()),
        ("Debug of bytes in JSON", json(&bytes.escape_ascii().to_string())),
        ("a list of bytes", format!("{bytes:?}").trim_matches(['[', ']']).to_owned()),
    ];
    for aligned in (0..3).map(|before| base64_within(bytes, before)) {
        forms.push(("base64", aligned.clone()));
        forms.push(("base64, URL-safe", aligned.replace('+', "-").replace('/', "_")));
    }
    forms
}

/// Every part of a secret that is long enough to be a leak, raw and in JSON.
fn pieces(secret: &str) -> Vec<String> {
    let chars: Vec<char> = secret.chars().collect();
    let raw = chars.windows(PIECE).map(|piece| piece.iter().collect::<String>());
    raw.flat_map(|piece| [json(&piece), piece]).collect()
}

fn debug(text: &str) -> String {
    let quoted = format!("{text:?}");
    quoted[1..quoted.len() - 1].to_owned()
}

pub(super) fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

/// `%2F` → `%2f`.
fn lower_hex(percent: &str) -> String {
    let mut parts = percent.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

/// The base64 characters of these bytes within longer data, `before` bytes after a multiple of 3.
fn base64_within(bytes: &[u8], before: usize) -> String {
    let padded = [&[0; 2][..before], bytes].concat();
    let first = [0, 2, 3][before];
    STANDARD.encode(&padded)[first..padded.len() * 8 / 6].to_owned()
}

#[test]
fn the_search_finds_a_planted_secret_in_every_encoding() {
    let secrets = SECRETS.map(|(name, secret)| Secret::new(name, secret));
    for (name, secret) in SECRETS {
        for (form, text) in forms(secret) {
            let found = find_in(&format!("before {text} after"), &secrets);
            assert!(found.iter().any(|(found, _)| *found == name), "{name} as {form}: {text} {found:?}");
        }
        for around in ["", "a", "ab", "abc", "Bearer "] {
            let encoded = STANDARD.encode(format!("{around}{secret}{around}"));
            assert!(!find_in(&encoded, &secrets).is_empty(), "{name} within base64: {encoded}");
        }
        let cut: String = secret.chars().take(PIECE + 2).collect();
        assert_eq!(find_in(&format!("{cut}…"), &secrets), [(name, "a piece of it")]);
    }
    assert_eq!(find_in(&format!("****{} and ordinary text", &KEY_ID[16..]), &secrets), []);
}
